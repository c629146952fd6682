/** The slash commands: their names, arguments and help, how a line is read as one, and what completes it. */
import { ownValue } from '../types/index.ts'

export interface Command {
  readonly name: string
  /** Empty: it takes none. */
  readonly argument: string
  readonly help: string
}

export const commands: readonly Command[] = [
  { name: 'new', argument: '[title]', help: 'start another session' },
  { name: 'sessions', argument: '', help: 'choose a session' },
  { name: 'switch', argument: 'ID', help: 'go to a session; the first characters of its id are enough' },
  { name: 'continue', argument: '', help: 'go to the most recently used session' },
  { name: 'fork', argument: '[N]', help: 'continue from here, or from your message N, in a new session' },
  { name: 'rename', argument: 'TITLE', help: 'rename this session' },
  { name: 'archive', argument: '', help: 'archive this session and start another' },
  { name: 'cancel', argument: '', help: 'stop the running turn' },
  { name: 'cancelall', argument: '', help: 'stop the running turns of all sessions' },
  { name: 'model', argument: '[NAME]', help: 'choose the model of the next messages' },
  { name: 'agent', argument: '[NAME]', help: 'choose the agent or character that answers' },
  { name: 'cost', argument: '', help: 'show spending and limits' },
  { name: 'compact', argument: '', help: 'summarize older messages now' },
  { name: 'undo', argument: '', help: 'take back what a turn changed in files; shows what would change first' },
  { name: 'redo', argument: '', help: 'take back the newest undo' },
  { name: 'approve', argument: '', help: 'answer the question that waits; lists those of other sessions' },
  { name: 'prompt', argument: 'SERVER NAME [FIELD=VALUE …]', help: 'write a prompt of a server of tools into the editor' },
  { name: 'agents', argument: '', help: 'the tree of agents, live; Enter opens the session of one' },
  { name: 'tell', argument: 'AGENT TEXT', help: 'send an agent a message, which it reads at its next step' },
  { name: 'pause', argument: 'AGENT', help: 'pause an agent and those below it; again, let them go on' },
  { name: 'raise', argument: 'AGENT TOKENS', help: 'let an agent use so many more tokens' },
  { name: 'kill', argument: 'AGENT', help: 'end an agent with everything that it runs' },
  { name: 'attach', argument: 'FILE', help: 'attach a file to the next message; without FILE, drop all' },
  { name: 'find', argument: '[WORDS]', help: 'search this conversation (Ctrl+F)' },
  { name: 'details', argument: '', help: 'unfold or fold all calls (Ctrl+O)' },
  { name: 'theme', argument: 'light|dark', help: 'choose the colours' },
  { name: 'status', argument: '', help: 'show the model, memory, the sandbox and its limits' },
  { name: 'help', argument: '', help: 'show commands and keys' },
  { name: 'quit', argument: '', help: 'leave; Ctrl+D and a double Ctrl+C do the same' },
]

export interface Entered {
  readonly name: string
  readonly argument: string
}

/** @returns the command of a line that begins with one slash; null for a message. Text of several lines is a message. */
export function readCommand(text: string): Entered | null {
  const line = text.trim()
  if (!line.startsWith('/') || line.startsWith('//') || line.includes('\n')) return null
  const [, name = '', argument = ''] = /^\/(\S*)\s*(.*)$/s.exec(line) ?? []
  // A path such as /home/ada/notes.md is a message.
  return name.includes('/') ? null : { name: ownValue(aliases, name) ?? name, argument: argument.trim() }
}

const aliases: Readonly<Record<string, string>> = { exit: 'quit', q: 'quit', resume: 'continue', clear: 'new', search: 'find' }

/** @returns the message: two slashes at its beginning stand for one */
export function readMessage(text: string): string {
  return text.startsWith('//') && !text.includes('\n') ? text.slice(1) : text
}

/** @param own commands of the person @returns those whose names begin with these characters, then those that contain them */
export function matchCommands(typed: string, own: readonly Command[]): readonly Command[] {
  const wanted = typed.toLowerCase()
  const all = [...commands, ...own].map((command) => ({ command, name: command.name.toLowerCase() }))
  const begins = all.filter(({ name }) => name.startsWith(wanted))
  const contains = all.filter((one) => !begins.includes(one) && wanted.length > 1 && one.name.includes(wanted))
  return [...begins, ...contains].map(({ command }) => command)
}

export function isCommand(name: string): boolean {
  return commands.some((one) => one.name === name)
}

/** @returns the command that was probably meant: one with the typed letters in their order, but for one; empty if none is near */
export function nearestCommand(typed: string): string {
  const inOrder = (name: string): number => {
    let from = 0
    for (const letter of name) if (letter === typed[from]) from += 1
    return from
  }
  const isNear = ({ name }: Command): boolean => Math.abs(name.length - typed.length) <= 2 && inOrder(name) >= Math.max(2, typed.length - 1)
  return commands.find(isNear)?.name ?? ''
}

/** Keys, for the help. */
export const keyHelp: readonly (readonly [key: string, what: string])[] = [
  ['Enter', 'send; while a turn runs, the agent reads it at its next step'],
  ['Shift+Enter, Alt+Enter, Ctrl+J', 'new line'],
  ['Up, Down', 'move in the text, then through earlier messages'],
  ['@', 'complete a file: of the workspace, or ./ ~/ / to attach your own'],
  ['Tab', 'complete; answer a question that waits'],
  ['Esc', 'close what is open; stop the running turn'],
  ['Ctrl+C', 'stop the turn, else clear the text; twice: leave'],
  ['PgUp, PgDn, wheel', 'scroll; Ctrl+Home and Ctrl+End go to the ends'],
  ['Ctrl+F', 'search this conversation'],
  ['Ctrl+O', 'unfold or fold all calls and reasoning'],
  ['Alt+Up, Alt+Down', 'select a call; Enter unfolds it, as does a click'],
  ['Ctrl+W, Ctrl+U, Ctrl+K, Ctrl+Y', 'delete a word, to the start, to the end; insert it again'],
  ['Ctrl+_', 'undo in the editor'],
  ['Ctrl+Z', 'suspend; fg returns'],
  ['Ctrl+L', 'draw the screen again'],
]
