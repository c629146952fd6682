/** What is used of highlight.js: its own types ask for those of a browser. */
export interface Highlighter {
  getLanguage(name: string): object | undefined
  highlight(code: string, options: { readonly language: string; readonly ignoreIllegals: boolean }): { readonly value: string }
}
declare const highlighter: Highlighter
export default highlighter
