/** What a person can type behind a slash. */

export type ChatCommand =
  | { readonly kind: 'new'; readonly title: string }
  | { readonly kind: 'sessions' }
  | { readonly kind: 'switch'; readonly prefix: string }
  | { readonly kind: 'rename'; readonly title: string }
  | { readonly kind: 'archive' }
  | { readonly kind: 'fork'; readonly at: number | null }
  | { readonly kind: 'memory'; readonly argument: string }
  | { readonly kind: 'attach'; readonly path: string }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'cost' }
  | { readonly kind: 'status' }
  | { readonly kind: 'help' }
  | { readonly kind: 'quit' }
  | { readonly kind: 'unknown'; readonly name: string }

export const chatHelp = `/new [title]   start another session
/sessions      list sessions
/switch ID     go to a session; the beginning of its id is enough
/rename TITLE  give this session another title
/archive       put this session away, and start another
/fork [N]      go on from here, or from message #N, in a session of its own
/memory …      look into memory, note, forget; /memory alone lists how
/attach FILE   send a file with the next message; without a name, send none
/cancel        stop the running turn
/cost          what was spent
/status        model, memory, sandbox and its limits
/help          this list
/quit          leave; so do Ctrl+D, and Ctrl+C when nothing runs
Ctrl+C clears the line, and stops the running turn. A message sent while a turn runs is read at its next step.
A pasted text of several lines is one message.`

/**
 * @param line what a person has entered; more than one line was pasted
 * @returns the command of a line that begins with a slash, or null for a message
 */
export function parseCommand(line: string): ChatCommand | null {
  if (!line.startsWith('/') || line.startsWith('//') || line.includes('\n')) return null
  const [name = '', ...rest] = line.slice(1).trim().split(/\s+/)
  const argument = rest.join(' ')
  switch (name) {
    case 'new':
      return { kind: 'new', title: argument }
    case 'attach':
      return { kind: 'attach', path: line.slice('/attach'.length).trim() }
    case 'memory':
      return { kind: 'memory', argument: line.slice('/memory'.length).trim() }
    case 'switch':
      return { kind: 'switch', prefix: argument }
    case 'rename':
      return { kind: 'rename', title: argument }
    case 'fork':
      return { kind: 'fork', at: /^#?\d{1,15}$/.test(argument) ? Number(argument.replace('#', '')) : null }
    case 'archive':
    case 'sessions':
    case 'cancel':
    case 'cost':
    case 'status':
    case 'help':
    case 'quit':
      return { kind: name }
    case 'exit':
      return { kind: 'quit' }
    default:
      return { kind: 'unknown', name }
  }
}

/** @returns the message that is meant: two slashes begin a line with one. What was pasted is meant as it is. */
export function messageOf(line: string): string {
  return line.startsWith('//') && !line.includes('\n') ? line.slice(1) : line
}
