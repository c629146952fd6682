/** The chat: what a person types becomes messages, answers and commands. Knows no terminal and no guest, only their ports. */
import { OxbowError, toFailure } from '../../types/index.ts'
import type { CallId, Failure, RecordView, SessionInfo } from '../../types/index.ts'
import type { GatewayPort } from '../guest/gateway-port.ts'
import { findSession } from '../guest/session-choice.ts'
import { doubleInterruptMs, maxListedSessions } from '../limits.ts'
import { sessionTable } from '../view/session-table.ts'
import { plainLine } from '../view/terminal-text.ts'
import { chatHelp, parseCommand } from './chat-commands.ts'
import type { ChatCommand } from './chat-commands.ts'
import type { Screen, ScreenEvents } from './chat-screen.ts'
import { openChatSession } from './chat-session.ts'
import type { ChatSession } from './chat-session.ts'
import { costLines, failureLines } from './chat-text.ts'

export interface ChatDeps {
  readonly gateway: GatewayPort
  readonly makeScreen: (events: ScreenEvents) => Screen
  /** Newest records of a session, oldest first. */
  readonly recent: (session: SessionInfo) => Promise<readonly RecordView[]>
  readonly model?: string | undefined
  /** Session to continue, by the beginning of its id. */
  readonly session?: string | undefined
  /** Waits for each turn before it reads on: input that is not typed by a person. */
  readonly oneByOne: boolean
  readonly now: () => number
  /** Settles when the guest is gone, with what happened. */
  readonly gone: Promise<Failure | null>
}

/** Runs until the person leaves. @returns why the chat could not go on: the guest is gone, or a call waits and input has ended. */
export async function chat(deps: ChatDeps): Promise<Failure | null> {
  const { gateway, recent } = deps
  const left = Promise.withResolvers<Failure | null>()
  let session: ChatSession | null = null
  let interruptedAt = -Infinity
  let leaving = false

  const leave = (): void => {
    leaving = true
    const asked = deps.oneByOne ? session?.asked() : null
    left.resolve(asked ? waitingError(asked.call) : null)
  }
  const report = (error: unknown): void => screen.line(failureLines(toFailure(error, 'guest_unreachable', 'See logs/guest.log.')))
  const open = async (info: SessionInfo, past: readonly RecordView[]): Promise<ChatSession> => {
    session?.stop()
    session = await openChatSession({ gateway, screen, session: info.id, past, busy: info.busy, onLost: left.resolve })
    return session
  }
  const reopen = async (prefix: string): Promise<void> => {
    const info = await findSession(gateway, prefix)
    await open(info, await recent(info))
  }
  const send = async (text: string): Promise<void> => {
    // A session is made with its first message: looking around leaves none behind.
    const current = session ?? (await open(await gateway.createSession(), []))
    const steering = current.isRunning()
    const { turn } = await gateway.sendTurn({ session: current.id, text, ...(deps.model !== undefined && { model: deps.model }) })
    if (steering) screen.line('  sent; it is read at the next step')
    else current.sent(turn)
    if (deps.oneByOne) await current.idle()
  }
  const answer = async (current: ChatSession, call: CallId, line: string): Promise<void> => {
    if (!/^(y|yes|n|no)$/i.test(line)) {
      // A pipe cannot have meant this line as an answer, and what follows it would be taken for one too.
      if (deps.oneByOne) return leave()
      return screen.line('  Answer y or n first; /cancel stops the turn.')
    }
    await gateway.approve(call, /^y/i.test(line))
    current.answered(call)
    if (deps.oneByOne) await current.idle()
  }
  const obey = async (command: ChatCommand): Promise<void> => {
    switch (command.kind) {
      case 'new':
        return void (await open(await gateway.createSession(command.title || undefined), []))
      case 'switch':
        return reopen(command.prefix)
      case 'sessions': {
        const listed = await gateway.listSessions(maxListedSessions)
        return screen.line(listed.length === 0 ? 'No sessions yet.' : sessionTable(listed))
      }
      case 'cancel':
        if (session === null || !(await gateway.cancelTurn(session.id))) screen.line('  nothing runs')
        return
      case 'cost': {
        const shown = await gateway.call('budget.show', {}, session?.id)
        return screen.line(shown.status === 'ok' ? costLines(shown.output) : failureLines(shown.failure))
      }
      case 'help':
        return screen.line(chatHelp)
      case 'quit':
        return leave()
      case 'unknown':
        return screen.line(`  no command /${plainLine(command.name, 40)}; /help lists them`)
    }
  }
  const onLine = async (raw: string): Promise<void> => {
    const line = raw.trim()
    if (line === '' || leaving) return
    try {
      const command = parseCommand(line)
      const asked = session?.asked() ?? null
      if (command !== null) await obey(command)
      else if (session !== null && asked !== null) await answer(session, asked.call, line)
      else await send(line.startsWith('//') ? line.slice(1) : line)
    } catch (error) {
      report(error)
    }
  }
  const onInterrupt = (): void => {
    const again = deps.now() - interruptedAt < doubleInterruptMs
    interruptedAt = deps.now()
    if (again || session === null || !session.isRunning()) return leave()
    screen.line('  stopping the turn; Ctrl+C again leaves')
    gateway.cancelTurn(session.id).catch(report)
  }
  const screen = deps.makeScreen({ onLine, onInterrupt, onEnd: leave })
  screen.prompt('› ')
  try {
    if (deps.session !== undefined) await reopen(deps.session)
    return await Promise.race([left.promise, deps.gone])
  } finally {
    ;(session as ChatSession | null)?.stop()
    screen.prompt(null)
    screen.close()
  }
}

/** What a chat that ends with an open question tells. */
function waitingError(call: string): OxbowError {
  return new OxbowError('approval_required', `the call ${call} waits for approval`, {
    hint: `oxbow approve ${call} runs it and finishes the turn; add --deny to refuse it.`,
  })
}
