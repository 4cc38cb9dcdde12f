/** What the pages say of the box of files, in Japanese. */
import type { DidWithFiles, FileWords } from './files-en.ts'

export const filesInJapanese: FileWords = {
  title: '保管庫',
  titleIn: (folder) => `保管庫: ${folder}`,
  what: 'ファイルは届いた時にあなたの鍵で暗号化されます。入れるのに鍵は要りませんが、読むには要ります。',
  none: 'ファイルはありません。',
  more: '次のファイル',
  file: 'ファイル',
  upload: 'アップロード',
  chooseFirst: '先にファイルを選んでください。何もアップロードしていません。',
  download: 'ダウンロード',
  path: 'パス',
  pathWhat: 'フォルダーも含めた名前です(例: plans/garden.txt)。',
  rename: '名前の変更・移動',
  aboutFolder: 'このフォルダーの名前の変更・移動・削除',
  remove: '削除',
  removeTitle: (name) => `${name}を削除しますか?`,
  removeFile: '完全に削除します。ごみ箱には残りません。',
  removeFolder: 'フォルダーを中身ごと完全に削除します。ごみ箱には残りません。',
  save: '保管庫に保存',
  saveAs: '保管庫のどのパスに置きますか?',
  saved: (path) => `${path}として保管庫に保存しました。`,
  // As short as can be: the page of a letter is full.
  attach: '保管庫',
  attachWhat: 'ファイルを選んでください。送る時に取り出すので、その時に鍵が要ります。',
  useToRead: 'このファイルを読むには、鍵のパスフレーズが必要です:',
  useToSave: 'これを保存するには、鍵のパスフレーズが必要です:',
}

export const didWithFilesInJapanese: DidWithFiles = {
  uploaded: (n) => `${n}件のファイルを受け取りました。`,
  'file-moved': () => 'ここに移りました。',
  'file-gone': () => '削除しました。',
  filed: () => '保管庫に保存しました。',
}
