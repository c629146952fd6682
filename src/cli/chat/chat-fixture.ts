/** A chat over a fake gateway and a fake screen. */
import type { Json } from '../../base/index.ts'
import type { GuestStatus, Phase, RecordView, SessionInfo } from '../../protocol/index.ts'
import type { FollowEvent } from '../../client/index.ts'
import type { GatewayPort } from '../guest-connection.ts'
import { runChat } from './chat-loop.ts'
import type { ChatDeps } from './chat-loop.ts'
import type { ScreenEvents } from '../screen/screen.ts'

export const turn = 'turn-1'
export const sessionId = '01890a5d-ac96-774b-bcce-b302099a8057'

export const guestStatus: GuestStatus = {
  user: 'ada' as GuestStatus['user'],
  version: '1',
  model: 'offline/offline',
  fallback: [],
  recording: 'raw',
  store: 'file',
  embedder: 'none',
  notice: '',
  read_only: null,
  sandbox: {
    asked: 'process',
    tier: 'process',
    provider: 'bubblewrap',
    files: true,
    shell: true,
    profiles: [],
    problem: null,
    limits: ['a file: 5', 'memory: 7'],
    degraded: ['processes'],
  },
}

interface FakeGateway {
  readonly gateway: GatewayPort
  /** The calls that the chat made, in order. */
  readonly asked: string[]
  emit(event: FollowEvent): void
  record(call: string, name: string, phase: Phase, body: Json): RecordView
  tell(call: string, name: string, phase: Phase, body: Json): void
  /** Ends the turn. */
  end(body?: Json): void
}

/** A gateway with one session, which does only what the test makes it do. */
export function fakeGateway(): FakeGateway {
  const asked: string[] = []
  let handler: (event: FollowEvent) => void = () => {}
  let seq = 0
  const info = (busy: boolean): SessionInfo => ({ id: sessionId, title: 'T', created_at: 0, active_at: 0, turns: 1, busy }) as SessionInfo
  const gateway: GatewayPort = {
    status: () => Promise.reject(new Error('not asked')),
    createSession: async (title) => {
      asked.push(`create ${title ?? ''}`.trim())
      return info(false)
    },
    listSessions: async () => [info(true)],
    sendTurn: async ({ text }) => {
      asked.push(`send ${text}`)
      return { turn, cursor: 1, duplicate: false, clientId: turn } as never
    },
    cancelTurn: async () => {
      asked.push('cancel')
      return true
    },
    approve: async () => '',
    call: async (name, input) => {
      const { call = '', allow, question } = input as { call?: string; allow?: boolean; question?: string }
      asked.push(name !== 'call.decide' ? `call ${name}` : `approve ${call} ${allow}${question === undefined ? '' : ` ${question}`}`)
      const output = { session: null, user: { spent: { microDollars: 42, tokens: 7 }, limit: {} } } as never
      return { status: 'ok', ok: true, text: '', output }
    },
    follow: async (_, cursor, listener) => {
      asked.push(`follow ${cursor}`)
      handler = listener
      listener({ type: 'caught_up', cursor, turn: null, pending: [] })
      return { stop: () => asked.push('unfollow') } as never
    },
    close: async () => {},
  }
  const emit = (event: FollowEvent): void => handler(event)
  const record = (call: string, name: string, phase: Phase, body: Json): RecordView =>
    ({ seq: ++seq, at: 0, actor: '', session: sessionId, turn, call, name, phase, body }) as unknown as RecordView
  return {
    gateway,
    asked,
    emit,
    record,
    tell: (call: string, name: string, phase: Phase, body: Json) => emit({ type: 'record', record: record(call, name, phase, body) }),
    end: (body: Json = { status: 'ok', reply: 'done' }) => emit({ type: 'record', record: record(turn, 'turn.send', 'outcome', body) }),
  }
}

interface StartedChat {
  readonly over: ReturnType<typeof runChat>
  readonly shown: { text: string; prompt: string | null; typing: boolean }
  readonly type: ScreenEvents['onLine']
  interrupt(cleared?: boolean): void
  end(): void
}

/** A chat whose screen appends to `shown.text`. */
export function startChat(fake: FakeGateway, options: Partial<ChatDeps> = {}): StartedChat {
  const shown = { text: '', prompt: '' as string | null, typing: false }
  let events: ScreenEvents | null = null
  const over = runChat({
    gateway: fake.gateway,
    makeScreen(screenEvents) {
      events = screenEvents
      return {
        line: (text) => (shown.text += `${shown.text === '' || shown.text.endsWith('\n') ? '' : '\n'}${text}\n`),
        exactLine: (text) => (shown.text += `${shown.text === '' || shown.text.endsWith('\n') ? '' : '\n'}${text}\n`),
        stream: (text) => (shown.text += text),
        isTyping: () => shown.typing,
        prompt: (text) => (shown.prompt = text),
        close: () => {},
      }
    },
    recent: async () => [],
    user: 'ada',
    workspaces: '/none',
    oneByOne: false,
    now: () => 0,
    news: () => {},
    gone: new Promise(() => {}),
    ...options,
  })
  const screen = events as unknown as ScreenEvents
  return { over, shown, type: screen.onLine, interrupt: (cleared = false) => screen.onInterrupt(cleared), end: screen.onEnd }
}
