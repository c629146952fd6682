/** What each slash command does in a chat line by line, and `/memory`. */
import type { Json, SessionId } from '../../base/index.ts'
import type { SessionInfo } from '../../protocol/index.ts'
import { type GatewayPort, outcomeOf, outputOf } from '../guest-connection.ts'
import { maxListedSessions, sessionsOnPage } from '../limits.ts'
import type { Screen } from '../screen/screen.ts'
import { newestSession, sessionTable } from '../verbs/sessions.ts'
import {
  commandCall,
  commandHelp,
  costLines,
  type Entered,
  forgetText,
  isNoCommand,
  ownCommands,
  plainLine,
  plainText,
  promptCall,
  searchText,
  type SlashCommand,
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
import type { AskUndo } from './chat-undo.ts'

const help = (own: readonly SlashCommand[]): string => `${commandHelp(own)}
Ctrl+C clears the line and stops the running turn. A message sent while a turn runs is read at its next step.
Pasted text of several lines is one message.`

interface Obeying {
  readonly gateway: GatewayPort
  readonly conversation: Conversation
  readonly screen: Screen
  readonly leave: () => void
  readonly askUndo: AskUndo
}

const maxNameChars = 40
const maxNoteChars = 200

/** Hides sessions without a message, except the current one. */
function sessionPage(listed: readonly SessionInfo[], current: SessionId | null, page: number): string {
  const shown = listed.filter(({ id, turns, busy, parent }) => turns > 0 || busy || parent !== undefined || id === current)
  const pages = Math.max(1, Math.ceil(shown.length / sessionsOnPage))
  const at = Math.min(page, pages)
  if (shown.length === 0) return 'No sessions yet.'
  const rows = sessionTable(shown, { current, from: (at - 1) * sessionsOnPage, count: sessionsOnPage, ids: listed.map(({ id }) => id) })
  return pages === 1 ? rows : `${rows}\n  Page ${at} of ${pages}${at < pages ? `; /sessions ${at + 1} shows the next one.` : '.'}`
}

/** Renames, archives or forks the session of the chat. @returns what was done, as text */
async function keepSession(
  { name, argument }: Entered,
  session: SessionId | null,
  gateway: GatewayPort,
  conversation: Conversation,
): Promise<string> {
  if (session === null) return 'no session yet: send a message first'
  if (name === 'rename') {
    if (argument === '') return 'give a title: /rename Taxes 2026'
    await outputOf(gateway, 'session.rename', { session, title: argument })
    return `this session is now ${JSON.stringify(argument)}`
  }
  if (name === 'archive') {
    await outputOf(gateway, 'session.archive', { session, archived: true })
    conversation.leave('')
    return 'archived; the next message starts a new session'
  }
  const message = /^#?(\d{1,15})$/.exec(argument)?.[1]
  const made = await outputOf(gateway, 'session.fork', { session, ...(message !== undefined && { message: Number(message) }) })
  await conversation.reopen(made.session)
  return 'this is a new session that continues from there; the other one is unchanged'
}

/** Sends a prompt as a message. It is read in the session, which has read untrusted text from then on. */
async function sendPrompt(
  words: readonly string[],
  { gateway, conversation, screen }: Pick<Obeying, 'gateway' | 'conversation' | 'screen'>,
): Promise<void> {
  const [call, input] = promptCall(words)
  const { id } = await conversation.begin()
  const outcome = await gateway.call(call, input, id)
  if (outcome.status !== 'ok') return screen.line(failureLines(outcome.failure))
  screen.line(plainText(outcome.text))
  return conversation.send(outcome.text)
}

/** Sends the text of a command of the person, or of a folder that they trust. */
async function sendCommand(
  { name, line }: Entered,
  { gateway, conversation, screen }: Pick<Obeying, 'gateway' | 'conversation' | 'screen'>,
): Promise<void> {
  const asked = commandCall(line)
  const outcome = asked === null ? null : await gateway.call(...asked)
  if (outcome?.status === 'ok') return conversation.send(outcome.text)
  if (outcome === null || isNoCommand(outcome.failure))
    return screen.line(`  no command /${plainLine(name, maxNameChars)}; /help lists them`)
  screen.line(failureLines(outcome.failure))
}

/** @throws OxbowError of the gateway. */
export async function obey(command: Entered, { gateway, conversation, screen, leave, askUndo }: Obeying): Promise<void> {
  const session = conversation.current()
  const { name, argument } = command
  switch (name) {
    case 'new':
      return conversation.leave(argument)
    case 'continue':
      return conversation.reopen((await newestSession(gateway, 'Send a message to start one.')).id)
    case 'switch':
      return conversation.reopen(argument)
    case 'sessions': {
      const listed = await gateway.listSessions(maxListedSessions)
      return screen.line(sessionPage(listed, session?.id ?? null, /^\d{1,4}$/.test(argument) ? Math.max(1, Number(argument)) : 1))
    }
    case 'rename':
    case 'archive':
    case 'fork':
      return screen.line(`  ${plainLine(await keepSession(command, session?.id ?? null, gateway, conversation), maxNoteChars)}`)
    case 'undo':
    case 'redo':
      return screen.line(await askUndo(name, argument))
    case 'memory':
      return screen.line(await askMemory(gateway, argument))
    case 'agent':
    case 'persona':
      await conversation.choose(argument)
      return screen.line(`  ${argument === '' ? 'the usual agent' : plainLine(argument, maxNameChars)} answers from the next message on`)
    case 'attach':
      return screen.line(`  ${plainLine(await conversation.attach(argument), maxNoteChars)}`)
    case 'prompt':
      return sendPrompt(argument.split(/\s+/), { gateway, conversation, screen })
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
      return screen.line(help(await ownCommands(gateway)))
    case 'quit':
      return leave()
    default:
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
