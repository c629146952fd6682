/** What is used of highlight.js: its own types need a browser's. */
export interface Highlighter {
  getLanguage(name: string): object | undefined
  highlight(code: string, options: { readonly language: string; readonly ignoreIllegals: boolean }): { readonly value: string }
}
declare const highlighter: Highlighter
export default highlighter
