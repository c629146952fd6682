/** The slash commands of a conversation: their names, arguments and help, how a line is read as one, and what completes it. */
import { ownValue } from '../base/index.ts'
import { table } from './terminal-text.ts'

export interface SlashCommand {
  readonly name: string
  /** Empty: it takes none. */
  readonly argument: string
  readonly help: string
  /** Absent: the full-screen terminal and the chat line by line have it. */
  readonly only?: 'screen' | 'lines'
}

export const slashCommands: readonly SlashCommand[] = [
  { name: 'new', argument: '[title]', help: 'start another session' },
  { name: 'sessions', argument: '', help: 'choose a session', only: 'screen' },
  { name: 'sessions', argument: '[N]', help: 'list sessions, twenty per page; N is the page', only: 'lines' },
  { name: 'switch', argument: 'ID', help: 'go to a session; the first characters of its id are enough' },
  { name: 'continue', argument: '', help: 'go to the most recently used session' },
  { name: 'fork', argument: '[N]', help: 'continue from here, or from your message N, in a new session' },
  { name: 'rename', argument: 'TITLE', help: 'rename this session' },
  { name: 'archive', argument: '', help: 'archive this session and start another' },
  { name: 'cancel', argument: '', help: 'stop the running turn' },
  { name: 'cancelall', argument: '', help: 'stop the running turns of all sessions', only: 'screen' },
  { name: 'model', argument: '[NAME]', help: 'choose the model of the next messages', only: 'screen' },
  { name: 'agent', argument: '[NAME]', help: 'choose the agent or character that answers' },
  { name: 'persona', argument: '[NAME]', help: 'the same, of a persona; without NAME, the usual agent or a list' },
  { name: 'cost', argument: '', help: 'show spending and limits' },
  { name: 'compact', argument: '', help: 'summarize older messages now', only: 'screen' },
  { name: 'undo', argument: '[TURN]', help: 'take back all that a turn changed; shows what would change first', only: 'screen' },
  {
    name: 'undo',
    argument: '[TURN]',
    help: 'show what undoing a turn would change; /undo yes does it, /undo list lists turns',
    only: 'lines',
  },
  { name: 'redo', argument: '', help: 'take back the newest undo; shows what would change first' },
  { name: 'approve', argument: '', help: 'answer the question that waits; lists other sessions’ questions', only: 'screen' },
  { name: 'prompt', argument: 'SERVER NAME [FIELD=VALUE …]', help: 'write a prompt of a server of tools into the editor', only: 'screen' },
  { name: 'prompt', argument: 'SERVER NAME [FIELD=VALUE …]', help: 'send a prompt of a server of tools', only: 'lines' },
  { name: 'memory', argument: '…', help: 'search, add, forget; /memory alone lists the forms', only: 'lines' },
  { name: 'agents', argument: '', help: 'the tree of agents, live; Enter opens the session of one', only: 'screen' },
  { name: 'tell', argument: 'AGENT TEXT', help: 'send an agent a message, which it reads at its next step', only: 'screen' },
  { name: 'pause', argument: 'AGENT', help: 'pause an agent and those below it; again, let them go on', only: 'screen' },
  { name: 'raise', argument: 'AGENT TOKENS', help: 'let an agent use so many more tokens', only: 'screen' },
  { name: 'kill', argument: 'AGENT', help: 'end an agent with everything that it runs', only: 'screen' },
  { name: 'attach', argument: 'FILE', help: 'attach a file to the next message; without FILE, drop all' },
  { name: 'find', argument: '[WORDS]', help: 'search this conversation (Ctrl+F)', only: 'screen' },
  { name: 'details', argument: '', help: 'unfold or fold all calls (Ctrl+O)', only: 'screen' },
  { name: 'theme', argument: 'light|dark', help: 'choose the colours', only: 'screen' },
  { name: 'status', argument: '', help: 'show the model, memory, the sandbox and its limits' },
  { name: 'help', argument: '', help: 'show commands and keys' },
  { name: 'quit', argument: '', help: 'leave; Ctrl+D and a double Ctrl+C do the same' },
]

/** Slash commands of the full-screen terminal. */
export const screenCommands: readonly SlashCommand[] = slashCommands.filter(({ only }) => only !== 'lines')

export interface Entered {
  readonly name: string
  readonly argument: string
  /** As it was typed. */
  readonly line: string
}

/** @returns the command of a line that begins with one slash; null for a message. Text of several lines is a message. */
export function readCommand(text: string): Entered | null {
  const line = text.trim()
  if (!line.startsWith('/') || line.startsWith('//') || line.includes('\n')) return null
  const [, name = '', argument = ''] = /^\/(\S*)\s*(.*)$/s.exec(line) ?? []
  // A path such as /home/ada/notes.md is a message.
  return name.includes('/') ? null : { name: ownValue(aliases, name) ?? name, argument: argument.trim(), line }
}

const aliases: Readonly<Record<string, string>> = { exit: 'quit', q: 'quit', resume: 'continue', clear: 'new', search: 'find' }

/** @returns the message: two slashes at its beginning stand for one */
export function readMessage(text: string): string {
  return text.startsWith('//') && !text.includes('\n') ? text.slice(1) : text
}

/** @param own commands of the person @returns those whose names begin with these characters, then those that contain them */
export function matchCommands(typed: string, own: readonly SlashCommand[]): readonly SlashCommand[] {
  const wanted = typed.toLowerCase()
  const all = [...screenCommands, ...own].map((command) => ({ command, name: command.name.toLowerCase() }))
  const begins = all.filter(({ name }) => name.startsWith(wanted))
  const contains = all.filter((one) => !begins.includes(one) && wanted.length > 1 && one.name.includes(wanted))
  return [...begins, ...contains].map(({ command }) => command)
}

export function isCommand(name: string): boolean {
  return screenCommands.some((one) => one.name === name)
}

/** @param own commands of the person @returns a line for each command of the chat line by line, and then for each of those */
export function commandHelp(own: readonly SlashCommand[] = []): string {
  const rowOf = ({ name, argument, help }: SlashCommand): readonly string[] => [`/${name} ${argument}`.trim(), help]
  const rows = slashCommands.filter(({ only }) => only !== 'screen').map(rowOf)
  return own.length === 0 ? table(rows) : `${table(rows)}\nYour commands:\n${table(own.map(rowOf))}`
}
