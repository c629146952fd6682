/** Slash commands of the chat: parsing, what each one does, and `/memory`. */
import type { Json, SessionId, SessionInfo } from '../../types/index.ts'
import type { GatewayPort } from '../guest-connection.ts'
import { maxListedSessions, sessionsOnPage } from '../limits.ts'
import { outcomeOf } from '../kernel/call.ts'
import type { Screen } from '../screen/screen.ts'
import { changeSession, newestSession, sessionTable } from '../verbs/sessions.ts'
import {
  commandCall,
  costLines,
  forgetText,
  isNoCommand,
  ownCommands,
  plainLine,
  plainText,
  promptCall,
  searchText,
  type ShownForget,
  type ShownHit,
  type ShownStats,
  type ShownWhy,
  statsText,
  statusRows,
  table,
  whyText,
} from '../../terminal/index.ts'
import { failureLines } from './turn-printer.ts'
import type { Conversation } from './conversation.ts'

type ChatCommand =
  | { readonly kind: 'new'; readonly title: string }
  | { readonly kind: 'sessions'; readonly page: number }
  | { readonly kind: 'continue' }
  | { readonly kind: 'switch'; readonly prefix: string }
  | { readonly kind: 'rename'; readonly title: string }
  | { readonly kind: 'archive' }
  | { readonly kind: 'fork'; readonly message: number | null }
  | { readonly kind: 'agent'; readonly name: string }
  | { readonly kind: 'memory'; readonly argument: string }
  | { readonly kind: 'attach'; readonly path: string }
  | { readonly kind: 'prompt'; readonly words: readonly string[] }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'cost' }
  | { readonly kind: 'status' }
  | { readonly kind: 'help' }
  | { readonly kind: 'quit' }
  | { readonly kind: 'unknown'; readonly name: string; readonly line: string }

const chatHelp = `/new [title]   start another session
/sessions [N]  list sessions, twenty per page; N is the page
/continue      go to the most recently used session
/switch ID     go to a session; the first characters of its id are enough
/rename TITLE  rename this session
/archive       archive this session and start another
/fork [N]      continue in a new session from your message N, or from here
/agent [NAME]  choose the agent or character that answers; without NAME, the usual one
/memory …      search, add, forget; /memory alone lists the forms
/attach FILE   attach a file to the next message; without FILE, drop all
/prompt SERVER NAME [FIELD=VALUE …]
               send a prompt of a server of tools
/cancel        stop the running turn
/cost          show spending and limits
/status        show the model, memory, the sandbox and its limits
/help          show this list
/quit          leave; Ctrl+D and a double Ctrl+C do the same
Ctrl+C clears the line and stops the running turn. A message sent while a turn runs is read at its next step.
Pasted text of several lines is one message.`

/**
 * @param line an entered line; more than one line means pasted text
 * @returns the command of a line that starts with a slash, or null for a message
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
    case 'prompt':
      return { kind: 'prompt', words: rest }
    case 'memory':
      return { kind: 'memory', argument: line.slice('/memory'.length).trim() }
    case 'switch':
      return { kind: 'switch', prefix: argument }
    case 'agent':
      return { kind: 'agent', name: argument }
    case 'rename':
      return { kind: 'rename', title: argument }
    case 'fork':
      return { kind: 'fork', message: /^#?\d{1,15}$/.test(argument) ? Number(argument.replace('#', '')) : null }
    case 'sessions':
      return { kind: 'sessions', page: /^\d{1,4}$/.test(argument) ? Math.max(1, Number(argument)) : 1 }
    case 'archive':
    case 'continue':
    case 'cancel':
    case 'cost':
    case 'status':
    case 'help':
    case 'quit':
      return { kind: name }
    case 'exit':
      return { kind: 'quit' }
    default:
      return { kind: 'unknown', name, line }
  }
}

/** @returns the message: two slashes at the start of a line stand for one. Pasted text is returned unchanged. */
export function messageOf(line: string): string {
  return line.startsWith('//') && !line.includes('\n') ? line.slice(1) : line
}

interface Obeying {
  readonly gateway: GatewayPort
  readonly conversation: Conversation
  readonly screen: Screen
  readonly leave: () => void
}

const maxNameChars = 40
const maxNoteChars = 200

/** Hides sessions without a message, except the current one. */
function sessionPage(listed: readonly SessionInfo[], current: SessionId | null, page: number): string {
  const shown = listed.filter(({ id, turns, busy, parent }) => turns > 0 || busy || parent !== undefined || id === current)
  const pages = Math.max(1, Math.ceil(shown.length / sessionsOnPage))
  const at = Math.min(page, pages)
  if (shown.length === 0) return 'No sessions yet.'
  const rows = sessionTable(shown, { current, from: (at - 1) * sessionsOnPage, count: sessionsOnPage })
  return pages === 1 ? rows : `${rows}\n  Page ${at} of ${pages}${at < pages ? `; /sessions ${at + 1} shows the next one.` : '.'}`
}

/** Renames, archives or forks the session of the chat. @returns what was done, as text */
async function keepSession(
  command: Extract<ChatCommand, { kind: 'rename' | 'archive' | 'fork' }>,
  session: SessionId | null,
  gateway: GatewayPort,
  conversation: Conversation,
): Promise<string> {
  if (session === null) return 'no session yet: send a message first'
  if (command.kind === 'rename') {
    if (command.title === '') return 'give a title: /rename Taxes 2026'
    await changeSession(gateway, 'session.rename', { session, title: command.title })
    return `this session is now ${JSON.stringify(command.title)}`
  }
  if (command.kind === 'archive') {
    await changeSession(gateway, 'session.archive', { session, archived: true })
    await conversation.begin('')
    return 'archived; this is a new session'
  }
  const made = await changeSession(gateway, 'session.fork', { session, ...(command.message !== null && { message: command.message }) })
  await conversation.reopen(made.session)
  return 'this is a new session that continues from there; the other one is unchanged'
}

/** Sends a prompt as a message. It is read in the session, which has read untrusted text from then on. */
async function sendPrompt(words: readonly string[], { gateway, conversation, screen }: Omit<Obeying, 'leave'>): Promise<void> {
  const [call, input] = promptCall(words)
  if (conversation.current() === null) await conversation.begin('')
  const outcome = await gateway.call(call, input, conversation.current()?.id)
  if (outcome.status !== 'ok') return screen.line(failureLines(outcome.failure))
  screen.line(plainText(outcome.text))
  return conversation.send(outcome.text)
}

/** Sends the text of a command of the person, or of a folder that they trust. */
async function sendCommand(
  { name, line }: Extract<ChatCommand, { kind: 'unknown' }>,
  { gateway, conversation, screen }: Omit<Obeying, 'leave'>,
): Promise<void> {
  const asked = commandCall(line)
  const outcome = asked === null ? null : await gateway.call(...asked)
  if (outcome?.status === 'ok') return conversation.send(outcome.text)
  if (outcome === null || isNoCommand(outcome.failure))
    return screen.line(`  no command /${plainLine(name, maxNameChars)}; /help lists them`)
  screen.line(failureLines(outcome.failure))
}

/** @returns the person's own commands, for the help; empty if there are none, or they cannot be asked for */
async function commandLines(gateway: GatewayPort): Promise<string> {
  const own = await ownCommands(gateway)
  if (own.length === 0) return ''
  return `\nYour commands:\n${table(own.map(({ name, argument, help }) => [`/${name} ${argument}`.trim(), help]))}`
}

/** @throws OxbowError of the gateway. */
export async function obey(command: ChatCommand, { gateway, conversation, screen, leave }: Obeying): Promise<void> {
  const session = conversation.current()
  switch (command.kind) {
    case 'new':
      return conversation.begin(command.title)
    case 'continue':
      return conversation.reopen((await newestSession(gateway)).id)
    case 'switch':
      return conversation.reopen(command.prefix)
    case 'sessions': {
      const listed = await gateway.listSessions(maxListedSessions)
      return screen.line(sessionPage(listed, session?.id ?? null, command.page))
    }
    case 'rename':
    case 'archive':
    case 'fork':
      return screen.line(`  ${plainLine(await keepSession(command, session?.id ?? null, gateway, conversation), maxNoteChars)}`)
    case 'memory':
      return screen.line(await askMemory(gateway, command.argument))
    case 'agent':
      await conversation.choose(command.name)
      return screen.line(
        `  ${command.name === '' ? 'the usual agent' : plainLine(command.name, maxNameChars)} answers from the next message on`,
      )
    case 'attach':
      return screen.line(`  ${plainLine(await conversation.attach(command.path), maxNoteChars)}`)
    case 'prompt':
      return sendPrompt(command.words, { gateway, conversation, screen })
    case 'cancel':
      if (session === null || !(await gateway.cancelTurn(session.id))) screen.line('  no turn is running')
      return
    case 'cost': {
      const shown = await gateway.call('budget.show', {}, session?.id)
      return screen.line(shown.status === 'ok' ? costLines(shown.output) : failureLines(shown.failure))
    }
    case 'status':
      return screen.line(plainText(table(statusRows(await gateway.status(), 'a file'))))
    case 'help':
      return screen.line(chatHelp + (await commandLines(gateway)))
    case 'quit':
      return leave()
    case 'unknown':
      return sendCommand(command, { gateway, conversation, screen })
  }
}

// `/memory`: the verbs of `oxbow memory` that are useful in a chat.

const memoryHelp = `/memory WORDS                 search notes, documents and conversations
/memory add TEXT              add a note for all later sessions
/memory edit ID TEXT          rewrite a note
/memory why ID                show where a memory comes from
/memory forget ID or PHRASE   list what would be erased; forget --yes erases it
/memory stats                 show the size of memory
/memory tidy, /memory report  tidy memory; show what tidying changed`

interface MemoryQuestion {
  readonly name: string
  readonly input: Json
  /** Formats the result for a person; default: the text of the call. */
  readonly show?: (output: unknown) => string
}

const shownHits = 5
const idPattern = /^(?:note|fact|message|document|summary)[-:]\S+$/

/** @returns the call to make, or the text to show when the argument is incomplete */
function memoryQuestion(argument: string): MemoryQuestion | string {
  const [verb = '', first = ''] = argument.split(/\s+/)
  const rest = argument.slice(verb.length).trim()
  switch (verb) {
    case '':
    case 'help':
      return memoryHelp
    case 'add':
      return rest === ''
        ? 'give the text to note: /memory add I prefer Helix.'
        : { name: 'memory.save', input: { content: rest, tags: [] } }
    case 'edit': {
      const content = rest.slice(first.length).trim()
      return content === ''
        ? 'give an id and the new text: /memory edit note-1f0a… I prefer Vim.'
        : { name: 'memory.update', input: { note_id: first, content } }
    }
    case 'why':
      return first === ''
        ? 'give an id: /memory why note-1f0a…'
        : { name: 'memory.why', input: { note_id: first }, show: (why) => whyText(why as ShownWhy) }
    case 'forget':
      return forgetQuestion(rest)
    case 'stats':
      return { name: 'memory.stats', input: {}, show: (stats) => statsText(stats as ShownStats) }
    case 'tidy':
      return { name: 'memory.tidy', input: {} }
    case 'report':
      return { name: 'memory.report', input: {} }
    default: {
      const query = verb === 'search' ? rest : argument
      return query === '' ? 'give words to search for: /memory search which editor' : searchQuestion(query)
    }
  }
}

function searchQuestion(query: string): MemoryQuestion {
  const input = { query, top_k: shownHits, include_conversation: true }
  return { name: 'memory.search', input, show: (hits) => searchText(hits as readonly ShownHit[], false) }
}

function forgetQuestion(rest: string): MemoryQuestion | string {
  const isDry = !rest.startsWith('--yes')
  const named = isDry ? rest : rest.slice('--yes'.length).trim()
  if (named === '') return 'give an id or a phrase: /memory forget the safe opens with'
  const words = named.split(/\s+/)
  const input = words.every((word) => idPattern.test(word)) ? { ids: words, text: '' } : { ids: [], text: named }
  const question = { name: 'memory.forget', input: { ...input, dry_run: isDry } }
  return isDry ? { ...question, show: (found) => forgetText(found as ShownForget, '/memory forget --yes …') } : question
}

/** @returns the text to show. @throws OxbowError when the call fails */
async function askMemory(gateway: GatewayPort, argument: string): Promise<string> {
  const question = memoryQuestion(argument)
  if (typeof question === 'string') return question
  const { output, text } = await outcomeOf(gateway, question.name, question.input)
  return question.show === undefined ? plainText(text) : question.show(output)
}
