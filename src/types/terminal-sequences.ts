/**
 * Escape sequences of terminals (ECMA-48), taken out whole: control sequences, strings (titles, clipboards, links), short escapes. From
 * wherever one begins a look goes to the next beginning at most, so that no text takes longer than its length; what `node:util` has for
 * this takes the square of it, and whoever writes the text can hold a terminal up for an hour.
 */
const sequences =
  '(?:\\u001b\\[|\\u009b)[0-?]*[ -/]*[@-~]|(?:\\u001b[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^\\u0007\\u001b\\u0080-\\u009f]*(?:\\u0007|\\u001b\\\\|\\u009c)|\\u001b[ -/]*[0-~]'

/** Other control characters stay: one that begins no whole sequence too. */
export function withoutSequences(text: string): string {
  return text.replace(new RegExp(sequences, 'g'), '')
}
