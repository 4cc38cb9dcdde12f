/** What the pages say of the box of files, in English. */
export const filesInEnglish = {
  title: 'Files',
  /** Of a folder, by its path. */
  titleIn: (folder: string) => `Files: ${folder}`,
  what: 'Each is encrypted to your key when it comes. Putting one here needs no key; reading it does.',
  none: 'No files here.',
  more: 'More files',
  file: 'File',
  upload: 'Upload',
  chooseFirst: 'Choose a file first. Nothing was uploaded.',
  download: 'Download',
  path: 'Path',
  pathWhat: 'Its name, with the folders before it, such as plans/garden.txt.',
  rename: 'Rename or move',
  aboutFolder: 'Rename, move or remove this folder',
  remove: 'Remove',
  removeTitle: (name: string) => `Remove ${name}?`,
  removeFile: 'It is deleted for good; no Trash keeps it.',
  removeFolder: 'The folder is deleted for good with all that is in it; no Trash keeps it.',
  save: 'Save to Files',
  saveAs: 'Under which path in Files is it to lie?',
  saved: (path: string) => `Saved in Files as ${path}.`,
  attach: 'Attach from Files',
  attachWhat: 'Choose a file. It is taken when the letter leaves, which needs your key.',
  useToRead: 'To read this file, the key needs your passphrase:',
  useToSave: 'To save this, the key needs your passphrase:',
}
export type FileWords = typeof filesInEnglish

/** What was done, as the page after it says. */
export const didWithFilesInEnglish = {
  uploaded: (n: number) => (n === 1 ? 'The file is here.' : `${n} files are here.`),
  'file-moved': () => 'It lies here now.',
  'file-gone': () => 'It is removed.',
  filed: () => 'Saved in Files.',
}
export type DidWithFiles = typeof didWithFilesInEnglish
