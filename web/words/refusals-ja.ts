/** Why something is refused, in Japanese; the English is in server/ground/reasons.ts. */
import type { Obstacle, Sentences } from '../../server/ground/reasons.ts'

/** Why a key cannot be used for something. */
export const japaneseObstacles: Record<Obstacle, string> = {
  expired: '期限切れ',
  revoked: '失効',
  weak: '弱すぎる鍵',
  'no-part': '用途外',
  missing: '秘密鍵がない',
  card: '秘密鍵はカードの中',
}

const guessed = { password: 'パスワード', passphrase: 'パスフレーズ', 'recovery code': '回復コード' }

const minutes = (seconds: number) => Math.ceil(seconds / 60)

const passkeyExists = 'この機器にはすでにパスキーがあります。それを使ってください。'
const passkeyOpensNothing = 'このパスキーでは開けません。何も変わっていません。'
const newPassphrase =
  'gpgでパスフレーズを一つに決め直し(gpg --edit-key ADDRESS passwd)、もう一度書き出してください。'
const wentWrong = 'サーバーで問題が起きました。何も変更されていません。もう一度お試しください。'
const wrongAddresses = ({ addresses }: { addresses: string[] }) =>
  `メールアドレスが正しくありません: ${addresses.join('、')}`

export const refusalsInJapanese: Sentences = {
  'server-busy': 'サーバーが混み合っています。もう一度お試しください。',
  'server-stops': 'サーバーは停止するところです。しばらくしてからお試しください。',
  'took-too-long': '時間がかかりすぎたため、中止しました。',
  'work-stopped': '終わる前に中止されました。もう一度お試しください。',
  'went-wrong': wentWrong,
  'setup-link-used': 'このリンクはすでに使われました。',

  'ssh-key-malformed': 'SSHの公開鍵ではありません。id_ed25519.pubのようなファイルの1行を貼り付けてください。',
  'ssh-keys-several': '公開鍵がいくつもあります。一つずつ追加してください。',
  'ssh-key-options':
    'from="…"やrestrictなどのオプションはここでは働かず、鍵にそれ以上のことを許してしまいます。それでも追加するときは、オプションを除いてください。',
  'ssh-key-secret':
    'これは秘密鍵です。保存していませんが、人に見られたおそれがあれば使うのをやめてください。隣の.pubファイルを追加してください。',
  'ssh-key-kind': ({ type }) =>
    `種類${type}の鍵ではログインできません。Ed25519、RSA、ECDSA、セキュリティキーのいずれかを使ってください。`,
  'ssh-key-weak': ({ bits }) =>
    `${bits}ビットのRSA鍵は弱すぎます。Ed25519か、3072ビットのRSAを使ってください。`,
  'ssh-key-exists': ({ name }) => `この鍵は「${name}」としてすでにあります。`,
  'ssh-keys-full': ({ most }) => `鍵はすでに${most}個あります。使わないものを削除してください。`,
  'key-idle-long': ({ most }) => `このサーバーで鍵を使わずに開けておけるのは、最長${most}分です。`,
  'alias-malformed':
    '別名は、空白、+、@、引用符や括弧、見えない文字を含まず、形の似た異なる文字体系(ラテン、ギリシャ、キリル)を混ぜない、64オクテットまでの一つの言葉か番号です。アドレスと同じドメインで使われます。',
  'alias-taken': 'この別名はすでに誰かのものです。別のものを選んでください。',
  'alias-reserved': 'この名前宛てのメールはサーバーの管理者のものです。管理者だけが割り当てられます。',
  'aliases-full': ({ most }) => `別名はすでに${most}個あります。使わないものを削除してください。`,
  'aliases-tried':
    'すでに使われている別名を試した回数が多すぎます。明日もう一度試すか、このサーバーの管理者に尋ねてください。',
  'no-alias': 'その別名はありません。',
  'address-is-alias': ({ name, address }) =>
    `「${name}」は${address}の別名です。先にそれを削除してください(wafer key alias ${address} ${name} --remove)。`,
  'no-ssh-key': 'そのSSH鍵はありません。',
  'ssh-many': 'このユーザーの接続が多すぎます。先にどれかを終わらせてください。',
  'other-name': 'このサーバーの名前は別のものです。正しいアドレスを開いてください。',
  'no-page': 'そのページはありません。',
  'no-such-place': 'そのページはありません。',
  'form-old': 'このフォームは古いか、別のサイトから送られました。戻って再読み込みしてください。',
  'form-foreign': 'このフォームは別のサイトから送られました。何も変わっていません。',
  'form-large': '大きすぎます。減らすか、分けて送ってください。',
  'form-of-many-fields': 'このフォームは項目が多すぎます。',
  'body-in-bits': '細切れになって届きました。もう一度お試しください。',
  'form-unreadable': 'このフォームを読めませんでした。',
  'no-cookie': 'ブラウザーがクッキーを送りませんでした。このサイトのクッキーを許可してください。',
  'much-is-parked':
    '書きかけの手紙や添付ファイルが多すぎます。送信するか、下書きに保存してください。送らないものは1時間で消えます。',

  'no-call': 'その呼び出しはありません。',
  'log-in-first': '先にログインしてください。セッションがないか、終わっています。',
  'stop-unconfirmed': '他での使用を停止するには{"confirm": true}が必要です。',
  'before-or-offset': 'beforeとoffsetの両方は指定できません。',
  'before-no-id': 'beforeは番号でなければなりません。',
  'limit-no-number': 'limitが1以上の数ではありません。',
  'offset-no-number': 'offsetが数ではありません。',
  'in-reply-to-what': 'in_reply_toがあなたのメールでもMessage-IDでもありません。',
  'file-without-content': ({ name }) => `添付ファイル「${name}」に中身がありません。`,
  'body-large': '大きすぎます。何も行われていません。',
  'request-cut-off': '送信が途中で終わりました。',
  'large-bodies-wait':
    'サーバーは別の大きな手紙を処理しています。何も行われていません。1分後にもう一度お試しください。',
  'body-not-json': '本体がJSONではありません。',
  'body-not-xml':
    '本体がdocs/api-xml.mdに書かれた形式のXML 1.0（UTF-8）ではありません。何も行われていません。',
  'body-declares': '文書型宣言や処理命令のあるXMLは受け付けません。何も行われていません。',
  'body-deep': ({ levels }) => `本体の入れ子が${levels}段を超えています。何も行われていません。`,
  'body-of-many-values': ({ values, files, addresses }) =>
    `本体の要素が${values}個を超えています。手紙のファイルは${files}個、宛先は${addresses}件までです。何も行われていません。`,
  'body-malformed': '本体の形式が正しくありません。',
  'member-unknown': ({ member }) => `「${member}」という項目はありません。何も行われていません。`,
  'member-malformed': ({ member }) => `項目「${member}」がないか、形式が正しくありません。`,
  'member-large': ({ member }) => `項目「${member}」が大きすぎます。何も行われていません。`,
  'files-many': ({ limit }) => `手紙の添付ファイルは${limit}個までです。送信されていません。`,

  'address-malformed': ({ text }) => `メールアドレスが正しくありません: ${text}`,
  'user-exists': ({ address }) => `ユーザー${address}はすでにいます。`,
  'no-user': ({ address }) => `ユーザー${address}はいません。`,
  'wrong-log-in': 'ユーザーIDまたはパスワードが違います。',
  'password-short': ({ least }) => `パスワードは${least}文字以上必要です。`,
  'password-same': '新しいパスワードが今のパスワードと同じです。何も変わっていません。',
  'session-ended': 'セッションが終わりました。もう一度ログインしてください。',
  'terminal-logged-out': 'その端末はすでにログアウトしています。',
  'guessed-in-row': ({ what }) =>
    `${guessed[what]}の間違いが多すぎます。サーバーの管理者に相談してください。`,
  'guessed-often': ({ waitS }) => `試行が多すぎます。${waitS}秒待ってください。`,
  'no-room': '容量が足りません。メールを削除し、ごみ箱も空にしてから、もう一度お試しください。',
  'mailbox-full': 'メールボックスがいっぱいです。',

  'no-key': 'まだ鍵がありません。サーバーの管理者に頼んでください。',
  'key-in-use': ({ terminal }) => `鍵は別の端末で使用中です: ${terminal}。`,
  'key-closed': '先に鍵を開いてください。',
  'key-reads-only': '鍵は読むためだけに開いています。署名するには、もう一度開いてください。',
  'locked-meanwhile': '終わる前に鍵が閉じられました。鍵を開いて、もう一度お試しください。',
  'stopped-often': ({ limit, waitS }) =>
    `10分間に${limit}回、鍵の使用を停止し、そのあと鍵を開きませんでした。${minutes(waitS)}分後にまた停止できます。それまでは、使用中の端末で鍵を閉じるか、「端末」でその端末をログアウトしてください。`,
  'wrong-passphrase': 'パスフレーズが違います。',
  'wrong-recovery-code': '回復コードが違います。',
  'passphrase-short': ({ least }) => `パスフレーズは${least}文字以上必要です。`,
  'copy-passphrase-short': ({ least }) => `書き出す鍵のパスフレーズは${least}文字以上必要です。`,
  'opens-no-more': 'それではもう鍵を開けません。',
  'opening-changed': '鍵を開くものが同時に変更されました。もう一度お試しください。',
  'keyring-exists': 'このユーザーには、その間に鍵ができました。何も変わっていません。',
  'no-key-signs':
    '今、署名に使える鍵がありません。古いメールは復号できます。期限を延ばした鍵か別の鍵を取り込むか、署名せずに送ってください。',
  'keys-only-read': '今、署名に使える鍵がありません。古いメールは復号できます。署名せずに送ってください。',

  'approve-elsewhere': '求めている端末とは別の機器で承認してください。',
  'code-missing': '端末に表示されたコードを入力してください。',
  'code-wrong': ({ left }) => `端末に表示されたコードと違います。あと${left}回入力できます。`,
  'code-wrong-at-last':
    '端末に表示されたコードと違いました。要求は終わりました。端末でもう一度求めてください。',
  'approval-over': 'この要求にはもう答えられません。あなたの要求なら、端末でもう一度求めてください。',
  'approval-asked-often': ({ limit, waitS }) =>
    `10分間に${limit}回承認を求め、承認されませんでした。${minutes(waitS)}分後にまた求められます。`,
  'approval-not-asked': 'このセッションは承認を求めていません。',

  'no-passkey': 'そのパスキーはありません。',
  'no-passkey-opens': '鍵を開けるパスキーがありません。パスフレーズを使ってください。',
  'nothing-to-open': 'まだ鍵がないので、パスキーで開けるものがありません。',
  'passkeys-many': ({ limit }) => `パスキーが${limit}個あります。先に一つ削除してください。`,
  'passkey-exists': passkeyExists,
  'passkey-misnamed': 'このパスキーは登録できない形式です。別の機器を使ってください。',
  'passkey-added-late': '時間がかかりすぎました。「パスキーを追加」からやり直してください。',
  'passkey-computes-anew':
    'このパスキーは同じ秘密を二度計算しませんでした。保存していません。もう一度お試しください。続けて二度同じになれば保存します。ならなければ、鍵を守れません。',
  'passkey-computes-after-all':
    'このパスキーは秘密を保てるようです。まだ保存していません。同じ秘密を計算できるか、もう一度お試しください。',
  'passkey-computes-no-more':
    'このパスキーは前に秘密を計算しましたが、今回はブラウザーが送りませんでした。保存していません。もう一度試し、それでもできなければ、別のブラウザーか機器で追加してください。',
  'passkey-keeps-no-secret':
    'このパスキーは秘密を保てません。このサーバーはそのようなパスキーを認めていません。',
  'passkey-unreadable': 'ブラウザーの応答を読めませんでした。もう一度お試しください。',
  'passkey-refused': 'このパスキーは受け付けられませんでした。何も変わっていません。',
  'passkey-late': '5分以上かかりました。もう一度お試しください。',
  'passkey-sent-twice': 'これはすでに送られています。もう一度お試しください。',
  'passkey-copied':
    'このパスキーは別のパスキーの複製のようなので、受け付けませんでした。鍵の記録に残しました。',
  'passkey-logs-in-only':
    'このパスキーはログイン専用で、鍵は開けません。パスフレーズか、別のパスキーを使ってください。',
  'prf-missing':
    'このパスキーで鍵を開くには、パスキーが計算する値が必要ですが、ブラウザーが送りませんでした。ここではパスフレーズを使ってください。',
  'prf-sent-again':
    '一度鍵を開いた値をブラウザーがまた送りました。何も変わっていません。ここではパスフレーズを使ってください。',
  'prf-unusable': passkeyOpensNothing,
  'prf-opens-nothing':
    'パスキーは合っていますが、今回計算した値では鍵を開けません。追加したときと同じように(別の機器を介さずに)使うか、パスフレーズを使ってください。',
  'held-opens-nothing': passkeyOpensNothing,
  'passkey-logs-nobody-in':
    'このパスキーではログインできませんでした。ユーザーIDを確かめるか、パスワードを使ってください。',
  'passkeys-refused-often': ({ waitS }) =>
    `受け付けられないパスキーが多すぎます。パスフレーズを使うか、${minutes(waitS)}分待ってください。`,
  'passkeys-asked-often': ({ waitS }) =>
    `ここからのパスキーの要求が多すぎます。パスワードを使うか、${minutes(waitS)}分待ってください。`,

  'key-file-empty': 'ファイルが空です。',
  'key-file-large': ({ limitMiB }) => `ファイルが${limitMiB} MiBを超えています。鍵だけではありません。`,
  'key-file-of-many': ({ limit }) =>
    `ファイルの鍵が${limit}個を超えています。必要な鍵だけを書き出してください。`,
  'key-file-public':
    'ファイルには公開鍵しかありません。秘密鍵を書き出してください: gpg --armor --export-secret-keys ADDRESS',
  'key-file-without-key': 'ファイルにOpenPGPの秘密鍵がないか、壊れています。もう一度書き出してください。',
  'key-file-encrypted': 'ファイルは鍵ではなく、暗号化されたメッセージです。先に復号してください。',
  'key-file-signed-text': 'ファイルは鍵ではなく、署名されたテキストです。',
  'key-file-cut-off':
    'ファイルの鍵が途中で切れています(ENDの行がありません)。BEGINからENDまで全部写してください。',
  'key-file-of-ssh': 'ファイルはSSHかTLSの鍵で、OpenPGPの鍵ではありません。',
  'key-file-of-tls': 'ファイルはTLSかS/MIMEの鍵か証明書で、OpenPGPの鍵ではありません。',
  'key-file-of-gnupg-store':
    'ファイルはGnuPGの内部のものです。鍵を書き出してください: gpg --armor --export-secret-keys ADDRESS',
  'key-file-of-age': 'ファイルはageの鍵で、OpenPGPの鍵ではありません。',
  'key-file-of-something':
    'ファイルはOpenPGPの秘密鍵ではありません。秘密鍵はBEGIN PGP PRIVATE KEY BLOCKで始まるか、バイナリーです。',
  'key-damaged': 'ファイルの鍵が壊れているか、扱えない種類です。',
  'key-inconsistent': 'この鍵は壊れています。部分同士が合わないか、名前に自分の署名がありません。',
  'key-weak': ({ weakness }) =>
    weakness.kind === 'curve'
      ? `曲線${weakness.curve}の鍵は扱えないため、取り込めません。`
      : 'この鍵は弱すぎるか、規格に合わないため、取り込めません。',
  'key-nameless': 'この鍵には名前がありません。先に付けてください: gpg --edit-key KEY adduid',
  'key-on-card':
    'この鍵の秘密はカードの中にあり、取り出せません。秘密がファイルにある鍵を取り込んでください。',
  'key-without-secret':
    'この鍵の秘密がファイルにありません。秘密のある所で書き出してください: gpg --armor --export-secret-keys',
  'key-useless': 'この鍵は復号にも署名にも使えません。',
  'key-of-pgp-2': ({ version }) =>
    `これはPGP 2の時代のバージョン${version}の鍵で、弱すぎるため取り込めません。`,
  'key-of-version-5': 'これは一部のプログラムしか知らないバージョン5の鍵です。バージョン4と6は取り込めます。',
  'key-protected-oddly': `ファイルの秘密は、ここでは扱えない方法で守られています。${newPassphrase}`,
  'key-passphrases-differ': `この鍵の部分ごとにパスフレーズが違います。${newPassphrase}`,
  'key-passphrase-wrong': 'ファイルの鍵のパスフレーズが違います。',
  'key-passphrase-dear': 'ファイルの鍵のパスフレーズを確かめるには、許されたメモリーでは足りません。',
  'key-secret-damaged': 'ファイルの秘密が壊れています。',

  'not-pkcs12':
    'ファイルはPKCS #12ファイル(.p12または.pfx)ではないか、壊れています。証明書と鍵を一緒にもう一度書き出してください。',
  'pkcs12-large': ({ limitMiB }) => `ファイルは${limitMiB} MiBを超えていて、証明書と鍵だけではありません。`,
  'pkcs12-unknown-method':
    'ファイルはここで扱えない方法で保護されています。AES-256かTriple-DESでもう一度書き出してください。',
  'wrong-file-passphrase': 'ファイルのパスフレーズではありません。',
  'pkcs12-without-key': 'ファイルに秘密鍵がありません。証明書を秘密鍵と一緒に書き出してください。',
  'pkcs12-without-certificate': 'ファイルに秘密鍵に合う証明書がありません。両方を一緒に書き出してください。',
  'identity-unfit': ({ algorithm }) => `${algorithm}の種類の鍵では、ここでメールの復号も署名もできません。`,
  'no-identity': 'そのS/MIME証明書はありません。',
  'identities-full': ({ most }) =>
    `S/MIME証明書はもう${most}個あります。どのメールも開かないものを削除してください。`,

  'no-public-key': '使える公開鍵がありません。BEGINからENDまで全部貼り付けてください。',
  'key-of-many-addresses': ({ limit }) => `この鍵のアドレスは${limit}個を超えているので、受け付けません。`,
  'no-such-fingerprint': 'その指紋の鍵がありません。承認されていません。',
  'no-accepted-key': '承認済みのその鍵はありません。',
  'no-key-for': ({ missing }) => {
    const none = missing.filter(({ why }) => why === 'none').map(({ address }) => address)
    const hindered = missing.flatMap(({ address, why }) =>
      why === 'none' ? [] : [`${address}の鍵は使えません(${japaneseObstacles[why]})。`],
    )
    const without = none.length ? `公開鍵がありません: ${none.join(', ')}。` : ''
    return `${without}${hindered.join('')}先に鍵を承認するか、暗号化せずに送ってください。`
  },
  'kinds-differ': ({ openpgp, smime }) =>
    `${openpgp.join('、')}はOpenPGPだけ、${smime.join('、')}はS/MIMEだけで読めるので、一通では両方に届きません。それぞれに読める形で送るか、暗号化せずに送ってください。`,
  'text-signed-by-openpgp':
    '本文の署名にはOpenPGPの鍵が必要ですが、ありません。保護で「署名(S/MIME)」を選んで送ってください。',
  'no-identity-signs': ({ address }) =>
    `${address}の名で今署名できるS/MIME証明書がありません。追加するか、その署名なしで送ってください。`,
  'own-key-revoked':
    'あなたの鍵は安全でないとして失効しているため、控えを暗号化できません。別の鍵を取り込むか、暗号化せずに送ってください。',
  'recipient-key-unreadable': '宛先の鍵の一つを読めません。もう一度もらってください。',
  'recipient-key-unfit': '宛先の鍵の一つに暗号化できません。期限切れか、失効か、弱すぎる鍵です。',

  'no-message': 'そのメールはありません。',
  'no-attachment': 'その添付ファイルはありません。',
  'no-encrypted-part': 'このメールにその名前の暗号部分はありません。',
  'not-encrypted': 'このメールは暗号化されていません。復号するものがありません。',
  'parts-open-alone': 'このメールは一部だけが暗号化されています。その部分は単独で開きます。',
  undecryptable: '復号できませんでした。',
  'part-can-be-changed':
    'この部分は改ざんを検知できない方式で暗号化されており、メール全体でもないため、開きません。単独のメールで送り直すよう送信者に依頼してください。',
  'not-to-your-keys': 'このメールはあなたの鍵では復号できません。',

  'no-folder': 'そのフォルダーはありません。',
  'folder-exists': ({ name }) => `フォルダー「${name}」はすでにあります。`,
  'folder-fixed': ({ name }) => `フォルダー「${name}」は変更できません。`,
  'folder-name': 'フォルダーの名前は60文字までで、斜線は使えません。',

  'no-draft': 'その下書きはありません。',
  'no-recipient': '宛先がありません。',
  'mail-without-recipient': '宛先がありません。',
  'addresses-malformed': wrongAddresses,
  'no-mailbox': wrongAddresses,
  'no-relay': ({ addresses }) => `このサーバーは外部へメールを送れません: ${addresses.join('、')}。`,
  'recipients-many': ({ limit, named }) =>
    `手紙の宛先は${limit}件までですが、${named}件あります。分けて送ってください。`,
  'files-large': '添付ファイルが手紙には大きすぎます。減らしてください。',
  'bcc-large': ({ mails }) =>
    `暗号化するとBccは一件ずつ別のメールになり、このファイルを付けた${mails}通は大きすぎます。分けて送ってください。`,
  'letter-left': 'この手紙はすでに送信されています。「送信済」にあります。もう一度は送られていません。',
  'letter-held': 'この手紙はまだ取り戻せます。',
  'mail-waits-no-more': 'そのメールはもう送信待ちではありません。',
  'mail-being-sent': 'そのメールは今送っています。少し後でもう一度見てください。',
  'letter-waits-no-more': 'この手紙はもう待っていません。送信されたか、取り消されました。',

  'path-absent': ({ path }) => `${path}がありません。`,
  'path-forbidden': ({ path }) => `${path}を読む許可がありません。`,
  'path-is-link': ({ path }) => `${path}はリンクです。ファイルそのものを指定してください。`,
  'path-unreadable': ({ path }) => `${path}を読めません。`,
  'path-irregular': ({ path }) => `${path}は普通のファイルではありません。`,
  'path-exists': ({ path }) => `${path}はすでにあります。新しいファイルを指定してください。`,
  'path-unwritable': ({ path, code }) => `${path}に書けません(${code})。`,
  'no-maildir': ({ path }) => `${path}はフォルダーですが、curもnewもないのでMaildirではありません。`,
  'path-no-mail': ({ path }) => `${path}はヘッダーで始まらないので、メールではありません。`,
  'path-of-large-mail': ({ path }) => `${path}に25 MiBを超えるメールがあります。`,
  'entries-differ': '二つの入力が一致しません。何も変わっていません。',
  interrupted: '中断されました。何も変わっていません。',
  'user-without-key': ({ address }) => `${address}には鍵がありません。`,
  'user-without-identity': ({ address }) => `${address}にはS/MIME証明書がありません。`,
  'keys-not-taken': ({ refused, count }) =>
    `ファイルの鍵${count}個のうち${refused}個を取り込めませんでした。`,
  unsound: '問題が見つかりました。',
  'no-database-to-back-up': ({ path }) => `バックアップするデータベース${path}がありません。`,
  'no-database-to-check': ({ path }) => `調べるデータベース${path}がありません。`,
  'database-damaged': ({ damage }) => `データベースが壊れているため、複製しませんでした(${damage})。`,
  'backup-in-one-file': 'データベースとサーバーの秘密は、別々に保管する二つのファイルが必要です。',
  'server-runs': ({ folder }) =>
    `${folder}でサーバーが動いています。先に止めてください。何も変わっていません。`,
  'server-secret-missing': ({ folder, path }) =>
    `${folder}にサーバーの秘密がなく、${path}の鍵を開けません。その複製を--secretで指定してください。`,
  'server-secret-foreign': ({ path }) =>
    `サーバーの秘密が${path}のものではありません。何も変わっていません。`,
  'copy-absent': ({ path }) => `${path}がありません。`,
  'copy-in-use': ({ path }) => `${path}は複製ではなく使用中のデータベースです。一部が${path}-walにあります。`,
  'copy-foreign': ({ path }) => `${path}はWaferのデータベースではありません。`,
  'copy-no-database': ({ path }) =>
    `${path}はWaferのデータベースではないか、壊れています。何も変わっていません。`,
  'copy-damaged': ({ path, damage }) => `${path}は壊れています(${damage})。何も変わっていません。`,
  'copy-unfit': 'その複製は使えません。何も変わっていません。',
  'backup-of-postgres':
    'データベースはPostgreSQLにあります。pg_dump --exclude-table-data=allowances、または継続的アーカイブでバックアップしてください。このコマンドは--secretでサーバーの秘密だけを複製します。ファイルは作られていません。',
  'restore-of-postgres':
    'データベースはPostgreSQLにあります。すべてのサーバーを止め、空のデータベースにpg_restoreで戻してください。そのあと表allowancesの行を消し、WAFER_EPOCH_FILEを作り直してください。何も変わっていません。',
  'no-database-to-copy': ({ path }) => `複製するデータベース${path}がありません。`,
  'copy-to-same-engine': ({ engine }) =>
    engine === 'SQLite'
      ? 'データベースはすでにSQLiteにあります。--to postgres://user@host/databaseのようにPostgreSQLのデータベースを指定してください。'
      : 'データベースはすでにPostgreSQLにあります。--to sqlite:FOLDERのようにフォルダーを指定してください。別のPostgreSQLサーバーへはpg_dumpとpg_restoreで複製できます。',
  'copy-target-filled': ({ called, table }) =>
    `${called}のデータベースは空ではなく、${table}に行があります。空のものを指定してください。何も変わっていません。`,
  'copy-target-secret': ({ folder }) =>
    `${folder}には別のデータベースのサーバーの秘密があります。別のフォルダーを指定してください。何も変わっていません。`,
  'copy-with-other-secret': ({ folder }) =>
    `${folder}のサーバーの秘密がデータベースのものではなく、鍵を開けません。何も変わっていません。`,
  'database-served': ({ called }) =>
    `${called}のデータベースをサーバーかコマンドが使っています。先に止めてください。何も変わっていません。`,
  'copy-differs': ({ table }) => `複製先の${table}の行が元と同じではありません。複製は残っていません。`,
  'no-file': 'そのファイルはありません。',
  'no-file-folder': 'ファイルにそのフォルダーはありません。',
  'file-exists': ({ path }) => `ファイル${path}がすでにあります。別の名前にしてください。`,
  'file-folder-exists': ({ path }) => `フォルダー${path}がすでにあります。別の名前にしてください。`,
  'file-name':
    'この名前は使えません。スラッシュで区切った各部分は255オクテットまでで、.や..ではなく、制御文字を含まないこと。全体で1,024オクテットまでです。',
  'folder-into-itself': 'フォルダーをそれ自身の中へは移せません。',
  'file-folder-not-empty': ({ path }) =>
    `フォルダー${path}は空ではありません。先に中のものを削除するか、まとめて削除してください。`,
  'files-many-kept': ({ limit }) =>
    `ファイルとフォルダーが${limit}個あり、これ以上は入りません。いくつか削除してからやり直してください。`,
  'file-goes-on-elsewhere': ({ size }) =>
    `このファイルは${size}オクテットで、続きはそこからです。何も変わっていません。`,
  'file-range': ({ size }) => `このファイルは${size}オクテットで、そこには何もありません。`,
  'file-changed-meanwhile': '別の端末がファイルを変更しました。もう一度確認してください。',
  'files-need-key':
    'ファイルはあなた自身の鍵で暗号化して保存されますが、読み取れる鍵がありません。サーバーの管理者が鍵を作れます。',
  'file-damaged': 'このファイルはサーバー上で壊れていて、全部は読めません。',
  'transfers-many': '転送中のファイルが多すぎます。一つ終わってからやり直してください。',
  'save-what': '何をするかを{from, name}、{folder}または{move, to}で指定してください。',
}
