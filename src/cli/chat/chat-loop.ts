/** The chat: turns what a person types into messages, answers and commands. Depends only on the ports of screen and gateway. */
import { OxbowError, toFailure } from '../../base/index.ts'
import type { CallId, Failure } from '../../base/index.ts'
import { doubleInterruptMs } from '../limits.ts'
import { obey } from './chat-commands.ts'
import { type AskUndo, createAskUndo } from './chat-undo.ts'
import type { Screen, ScreenEvents } from '../screen/screen.ts'
import { failureLines, messagePrompt } from './turn-printer.ts'
import { createConversation } from './conversation.ts'
import type { Conversation, ConversationDeps } from './conversation.ts'
import { ofUser } from '../verb-parts.ts'
import { answered, formOf, pairsIn, readCommand, readMessage } from '../../terminal/index.ts'

export interface ChatDeps extends Omit<ConversationDeps, 'screen' | 'onLost'> {
  readonly makeScreen: (events: ScreenEvents) => Screen
  /** Session to continue, as a prefix of its id. */
  readonly session?: string | undefined
  readonly now: () => number
  /** Receives a function that prints notices between the messages. */
  readonly news: (tell: (text: string) => void) => void
  /** Settles when the guest is gone, with what happened. */
  readonly gone: Promise<Failure | null>
}

/** Runs until the person leaves. @returns why the chat ended otherwise: the guest is gone, or a call waits for approval and input has ended. */
export async function runChat(deps: ChatDeps): Promise<Failure | null> {
  const left = Promise.withResolvers<Failure | null>()
  let interruptedAt = -Infinity
  let leaving = false
  const askUndo = createAskUndo(deps.gateway)

  const leave = (): void => {
    leaving = true
    const waiting = deps.oneByOne ? conversation.current()?.asked() : null
    left.resolve(waiting ? waitingFailure(waiting.call, deps.user) : null)
  }
  let isOpen = true
  // When the person has left, pending work fails with the connection; that is not reported.
  const report = (error: unknown): void => {
    if (isOpen) screen.line(failureLines(toFailure(error, 'guest_unreachable', 'See `oxbow logs`.')))
  }
  const onLine = async (raw: string): Promise<void> => {
    // Pasted text keeps the indentation of its first line.
    const line = raw.includes('\n') ? raw.trimEnd() : raw.trim()
    if (line === '' || leaving) return
    try {
      await takeLine(line, { deps, conversation, screen, leave, askUndo })
    } catch (error) {
      report(error)
    }
  }
  const onInterrupt = (cleared: boolean): void => {
    const session = conversation.current()
    // As in a shell, it only clears the line.
    if (cleared && session?.isRunning() !== true) return
    const again = deps.now() - interruptedAt < doubleInterruptMs
    interruptedAt = deps.now()
    if (again) return leave()
    if (session?.isRunning() !== true) return screen.line('  Press Ctrl+C again to leave.')
    screen.line('  Stopping the turn. Press Ctrl+C again to leave.')
    deps.gateway.cancelTurn(session.id).catch(report)
  }
  const screen = deps.makeScreen({ onLine, onInterrupt, onEnd: leave })
  const conversation = createConversation({ ...deps, screen, onLost: left.resolve })
  screen.prompt(messagePrompt)
  deps.news((text) => isOpen && screen.line(text))
  try {
    if (deps.session !== undefined) await conversation.reopen(deps.session)
    return await Promise.race([left.promise, deps.gone])
  } finally {
    isOpen = false
    conversation.current()?.stop()
    screen.prompt(null)
    screen.close()
  }
}

interface Chat {
  readonly deps: ChatDeps
  readonly conversation: Conversation
  readonly screen: Screen
  readonly leave: () => void
  readonly askUndo: AskUndo
}

/** Handles a command, an answer to an open approval, or a message. */
async function takeLine(line: string, { deps, conversation, screen, leave, askUndo }: Chat): Promise<void> {
  const command = readCommand(line)
  if (command !== null) return obey(command, { gateway: deps.gateway, conversation, screen, leave, askUndo })
  const asked = conversation.current()?.asked() ?? null
  if (asked === null) return conversation.send(readMessage(line))
  const unseen = conversation.current()?.cameUnseen() === true
  // A person who types ahead, or types y because a model asked for it, has not read a question that appeared meanwhile.
  if (unseen && /^(y(es)?|a(lways)?|\d+)$/i.test(line))
    return screen.line('  This question appeared while you were typing. Read it, then answer y, n or a.')
  if (/^(y|yes|n|no)$/i.test(line)) return conversation.answer(asked, /^y/i.test(line))
  const form = formOf(asked)
  const pairs = form === null ? null : pairsIn(line)
  if (form !== null && pairs !== null && !unseen) return conversation.fillIn(asked, answered(form, pairs))
  const reason = /^no?[ ,:]+(.+)$/is.exec(line)?.[1]
  if (reason !== undefined && !deps.oneByOne) return conversation.answer(asked, false, reason)
  if (/^a(lways)?$/i.test(line) && !deps.oneByOne) return offerRules(asked.call, conversation, screen)
  if (/^\d{1,2}$/.test(line) && conversation.offered() === asked.call) {
    const kept = await conversation.keep(Number(line))
    return screen.line(
      kept === '' ? '  There is no rule with this number.' : '  Allowed from now on; `oxbow approvals rules` lists such rules.',
    )
  }
  // A line from a pipe cannot be an answer to this question, and later lines must not be taken for one.
  if (deps.oneByOne) leave()
  else screen.line('  Answer y, n or a first: a allows such calls for good, n and a reason tells the agent why. /cancel stops the turn.')
}

async function offerRules(call: CallId, conversation: Conversation, screen: Screen): Promise<void> {
  const rules = await conversation.offer(call)
  if (rules === '') return screen.line('  No rule can be kept for this call. Answer y or n.')
  screen.exactLine(`  Always allow, from now on without asking:\n${rules}`)
  screen.line('  Type a number to allow the call and keep that rule; y allows it only this time.')
}

/** The failure of a chat that ends with an open approval. */
function waitingFailure(call: CallId, user: string): Failure {
  return new OxbowError('approval_required', `the call ${call} is waiting for approval`, {
    hint: `oxbow approve ${call}${ofUser(user)} runs it and finishes the turn; add --deny to refuse it.`,
  })
}
