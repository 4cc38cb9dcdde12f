/** wafer(1): the manual page, in the language of troff (man(7)), from the table of commands. */
import type { Command } from './command.ts'
import { print } from './console.ts'

/** As text: nothing in it is a request, and a hyphen can be copied and typed. */
const text = (words: string) =>
  words
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')

/** Names as they are typed are bold, what stands for something else is not. */
const call = (name: string, usage: string) =>
  `\\fBwafer ${text(name)}\\fR ${text(usage).replace(/(?<![\w\\-])\\-\\-[a-z\\-]+/g, '\\fB$&\\fR')}`.trimEnd()

const entries = (rows: [string, Command][]) =>
  rows.map(([name, { usage, does }]) => `.TP\n${call(name, usage)}\n${text(does)}`).join('\n')

export const printManual = (version: string, commands: Record<string, Command>) => {
  const rows = Object.entries(commands)
  const onTheData = rows.filter(([, { isClient }]) => !isClient)
  const overTheApi = rows.filter(([, { isClient }]) => isClient)
  print(`.TH WAFER 1 "" "Wafer ${text(version)}" "Wafer"
.SH NAME
wafer \\- encrypted mail from any terminal, however thin
.SH SYNOPSIS
.B wafer
.I COMMAND
[\\fIargument\\fR...]
.br
.B wafer \\-\\-help
|
.B wafer
.I COMMAND
.B \\-\\-help
|
.B wafer \\-\\-version
.SH DESCRIPTION
Wafer is a mail server with Web pages and an API that keeps the OpenPGP secret key of each user, sealed. One terminal
at a time is granted its use, by a passphrase, a passkey or an approval from a phone.
.PP
Secrets come from standard input or a prompt, never from arguments. What may be left out stands in brackets, and what
may be repeated before three points.
.SH COMMANDS ON THE SERVER'S MACHINE
These work in the data folder, as the user who owns it.
${entries(onTheData)}
.SH COMMANDS OF A TERMINAL
These work over the API of a server, on any machine.
${entries(overTheApi)}
.SH ENVIRONMENT
The settings are environment variables whose names begin with WAFER_, or lines of
.I .env
in the data folder.
.TP
.B WAFER_DATA
The data folder; without it
.I data
in the present folder. Where Wafer was installed as a package of the system, it is
.IR /var/lib/wafer .
.SH EXIT STATUS
0 if all went well, 1 if the command failed, 2 if it was called in a way that does not exist.
.SH SEE ALSO
.BR gpg (1),
and the documents that came with Wafer: operate.md, settings.md, commands.md, terminal.md and scripts.md.`)
}
