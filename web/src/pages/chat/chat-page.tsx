/** Chat: the sessions, the one that is open, and where the next message is written. */
import './chat.css'
import { PanelLeft } from 'lucide-react'
import { type ReactNode, useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { badgeText, labelBadges, modeBadge } from '../../../../src/terminal/index.ts'
import type { KeptFile, SessionInfo } from '../../../../src/protocol/index.ts'
import { type Command, useCommands } from '../../app/commands.ts'
import { navigate, type PageProps } from '../../app/router.tsx'
import { callOf, useCall } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { IconButton } from '../../ui/button.tsx'
import { moneyText } from '../../ui/numbers.ts'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { toFailure } from '../../../../src/base/index.ts'
import { type Choice, Composer } from './composer.tsx'
import { type Conversation, useConversation } from './conversation.ts'
import { newSessionId, outboxOf } from './outbox.ts'
import { sessionEvents, SessionList } from './session-list.tsx'
import { TranscriptView } from './transcript-view.tsx'
import type { ItemActions } from './turn-items.tsx'
import { UndoDialog } from './undo-dialog.tsx'

export default function ChatPage({ place }: PageProps): ReactNode {
  const session = place.segments[1] ?? ''
  const [isListOpen, setListOpen] = useState(false)
  const close = useCallback(() => setListOpen(false), [])
  const commands = useMemo<readonly Command[]>(() => [{ title: 'New session', group: 'Chat', run: () => navigate('/chat') }], [])
  useCommands(commands)
  return (
    <div className="chat" data-list={isListOpen}>
      <SessionList current={session} onChoose={close} />
      <div className="chat-scrim" onClick={close} aria-hidden="true" />
      <Session session={session} onList={() => setListOpen(!isListOpen)} isListOpen={isListOpen} />
    </div>
  )
}

interface SessionProps {
  readonly session: string
  readonly isListOpen: boolean
  readonly onList: () => void
}

function Session({ session, isListOpen, onList }: SessionProps): ReactNode {
  const { client } = useGuest()
  const conversation = useConversation(session)
  const [undoing, setUndoing] = useState('')
  const { data: changed } = useCall('version.turns', { limit: 100 }, { refreshOn: ['turn_ended'], skip: session === '' })
  const undoable = useMemo(() => new Set(changed?.turns.flatMap(({ turn, undone }) => (undone ? [] : [turn]))), [changed])
  const { actions, send, stop, failure } = useSession(session, conversation, { onUndo: setUndoing, undoable })
  const outbox = outboxOf(client)
  const refused = useSyncExternalStore(outbox.subscribe, outbox.refused).filter((message) => message.session === session)
  const info = useInfo(session)
  const title = session === '' ? 'New session' : info?.title || 'Session'
  const isRunning = conversation.turn !== null
  const isEmpty = conversation.items.length === 0 && !conversation.isLoading
  return (
    <section className="chat-session" aria-label={title}>
      <header className="chat-head">
        <IconButton className="chat-list-button" icon={<PanelLeft />} label="Sessions" aria-expanded={isListOpen} onClick={onList} />
        <h1>{title}</h1>
      </header>
      {conversation.failure !== null ? (
        <Problem failure={conversation.failure} onRetry={() => location.reload()} />
      ) : conversation.isLoading && session !== '' ? (
        <Loading label="Loading the session" />
      ) : isEmpty ? (
        <Welcome onChoose={(text) => send(text, [], { model: '', agent: '' })} />
      ) : (
        <TranscriptView
          key={session}
          items={conversation.items}
          hasOlder={conversation.hasOlder}
          isRunning={isRunning}
          actions={actions}
          onOlder={conversation.loadOlder}
        />
      )}
      <div className="chat-foot">
        <ProblemLine failure={failure} />
        {refused.map(({ id, failure: refusal }) => (
          <ProblemLine key={id} failure={refusal} />
        ))}
        <Composer
          session={session}
          isRunning={isRunning}
          answering={info?.agent ?? ''}
          onSend={send}
          onStop={stop}
          facts={<Facts session={session} conversation={conversation} />}
          returned={refused.at(-1)?.text ?? ''}
        />
        <Announcer conversation={conversation} />
      </div>
      {undoing !== '' && <UndoDialog turn={undoing} onClose={() => setUndoing('')} />}
    </section>
  )
}

interface SessionActions {
  readonly actions: ItemActions
  readonly send: (text: string, files: readonly KeptFile[], choice: Choice) => void
  readonly stop: () => void
  readonly failure: ReturnType<typeof toFailure> | null
}

function useSession(
  session: string,
  { items }: Conversation,
  { onUndo, undoable }: Pick<ItemActions, 'onUndo' | 'undoable'>,
): SessionActions {
  const { client } = useGuest()
  const [failure, setFailure] = useState<ReturnType<typeof toFailure> | null>(null)
  const attempt = useCallback((work: () => Promise<void>): void => {
    setFailure(null)
    work().catch((error: unknown) => setFailure(toFailure(error, 'internal_failure', 'Try again.')))
  }, [])
  const fork = useCallback(
    async (at: number, draft = ''): Promise<void> => {
      const made = await callOf(client, 'session.fork', { session, at })
      const id = made.session
      if (draft !== '') sessionStorage.setItem(`oxbow.draft.${id}`, draft)
      navigate(`/chat/${id}`)
    },
    [client, session],
  )
  const first = items.find(({ type }) => type === 'person')
  const actions = useMemo<ItemActions>(
    () => ({
      onFork: (at) => attempt(() => fork(at)),
      onRewrite: (item) => {
        // Before the first message there is nothing to share.
        if (item.key !== first?.key) return attempt(() => fork(item.seq - 1, item.text))
        sessionStorage.setItem('oxbow.draft.new', item.text)
        navigate('/chat')
      },
      onUndo,
      undoable,
    }),
    [attempt, first?.key, fork, onUndo, undoable],
  )
  const send: SessionActions['send'] = (text, files, choice) => {
    const outbox = outboxOf(client)
    for (const { id, session: of } of outbox.refused()) if (of === session) outbox.discard(id)
    const target = session || newSessionId()
    outbox.send({ session: target, isNew: session === '', text, files, ...choice })
    if (session === '') navigate(`/chat/${target}`, { replace: true })
  }
  const stop = (): void => attempt(async () => void (await client.cancelTurn(session as SessionInfo['id'])))
  return { actions, send, stop, failure }
}

function useInfo(session: string): SessionInfo | undefined {
  const { data } = useCall('session.list', { limit: 300, search: '', archived: false }, { skip: session === '', refreshOn: sessionEvents })
  return data?.find(({ id }) => id === session)
}

interface FactsProps {
  readonly session: string
  readonly conversation: Conversation
}

function Facts({ session, conversation: { contextTokens, microDollars, items } }: FactsProps): ReactNode {
  const { context_tokens: limit = 0 } = useGuest().status
  const part = limit === 0 ? 0 : Math.min(1, contextTokens / limit)
  return (
    <>
      {contextTokens > 0 && (
        <span title={`${contextTokens.toLocaleString('en')} of ${limit.toLocaleString('en')} tokens`}>
          <meter min={0} max={1} value={part} aria-label="Context in use" /> {Math.round(part * 100)}%
        </span>
      )}
      {microDollars > 0 && <span title="Cost of what is shown">{moneyText(microDollars)}</span>}
      {session !== '' && items.length > 0 && <Labels session={session} />}
      {session !== '' && <Mode session={session} />}
    </>
  )
}

/** What the session has read, by which it is judged where data leaves; each with all its origins. */
function Labels({ session }: { readonly session: string }): ReactNode {
  const { data } = useCall('flow.show', { session }, { refreshOn: ['turn_ended', 'approval_*'] })
  return labelBadges(data ?? {}).map((badge) => (
    <span key={badge.label} className="chat-label" title={[`Has read ${badge.label} data`, ...badge.from].join('\n')}>
      {badgeText([badge])}
    </span>
  ))
}

/** How much stricter the session is than the configuration, for everybody who uses it. */
function Mode({ session }: { readonly session: string }): ReactNode {
  const { data } = useCall('session.mode', { session }, { refreshOn: ['session_mode'] })
  const badge = modeBadge(data)
  return badge !== '' && <span className="chat-label">{badge}</span>
}

/** Says to a screen reader when an answer is there, or a call waits; not every word as it comes. */
function Announcer({ conversation: { items, turn } }: { readonly conversation: Conversation }): ReactNode {
  const [text, setText] = useState('')
  const waits = items.some((item) => item.type === 'call' && item.pending !== null)
  useEffect(() => {
    if (waits) setText('A call waits for your approval.')
    else setText(turn === null ? (items.at(-1)?.type === 'end' ? 'Oxbow has answered.' : '') : 'Oxbow is working.')
  }, [items, turn, waits])
  return (
    <p className="visually-hidden" role="status">
      {text}
    </p>
  )
}

const beginnings = ['What is in my workspace?', 'Summarise my notes', 'What have you been doing lately?']

function Welcome({ onChoose }: { readonly onChoose: (text: string) => void }): ReactNode {
  const { status } = useGuest()
  return (
    <div className="chat-welcome">
      <img src="/icon.svg" alt="" width="48" height="48" />
      <h2>What should we do?</h2>
      <p>The agent works in the workspace of {status.user}. Everything it does is written down, and what is risky asks first.</p>
      {status.notice !== '' && <p className="chat-note">{status.notice}</p>}
      <ul>
        {beginnings.map((text) => (
          <li key={text}>
            <button type="button" onClick={() => onChoose(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
