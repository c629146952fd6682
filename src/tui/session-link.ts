/** The session on the screen: opening one, starting one with its first message, following it across guests, and its older records. */
import type { FollowEvent } from '../client/index.ts'
import { inRecordOrder, newestConversation, sessionNamed } from '../terminal/index.ts'
import { OxbowError, type SessionId, toError, toFailure } from '../base/index.ts'
import { type InputOf, isMessage, type RecordView, type SessionInfo } from '../protocol/index.ts'
import { maxListed, pageRecords } from './limits.ts'
import type { Gateway, Ports } from './ports.ts'
import type { Event } from './state.ts'
import { createOutbox, type Message } from './outbox.ts'

export interface SessionLink {
  /** There is a guest: follows the session again, and sends what waits. */
  linked(gateway: Gateway): Promise<void>
  unlinked(): void
  /** @throws OxbowError `guest_unreachable` while there is no guest */
  gateway(): Gateway
  current(): SessionId | null
  /** @param prefix of the id @throws OxbowError */
  open(prefix: string): Promise<void>
  openNewest(): Promise<void>
  /** Who answers from the next message on, here and in new sessions; empty: the usual agent. @throws OxbowError `not_found` */
  chooseAgent(name: string): Promise<void>
  /** Leaves the session: the next message starts another. */
  leave(title: string): void
  loadOlder(before: number): Promise<void>
  send(message: Message): Promise<void>
}

/** @param firstAgent who answers in new sessions; empty: the usual agent */
export function createSessionLink(ports: Pick<Ports, 'uploadFiles'>, dispatch: (event: Event) => void, firstAgent: string): SessionLink {
  let gateway: Gateway | null = null
  const linked = (): Gateway => {
    if (gateway !== null) return gateway
    throw new OxbowError('guest_unreachable', 'There is no connection to a guest yet.', { hint: 'Wait a moment and try again.' })
  }
  const followed = createFollowed(linked, dispatch)
  let title = ''
  const answering = createAnswering(linked, firstAgent)
  /** The session that was started for a message which is not accepted yet. */
  let unused: SessionId | null = null

  const show = async (info: SessionInfo): Promise<void> => {
    const page = await readPage(linked(), info.id)
    dispatch({ type: 'opened', session: info, ...page })
    await followed.begin(info.id, page.records.at(-1)?.seq ?? 0, page.records)
  }
  const begin = async (): Promise<SessionId> => {
    const made = await linked().createSession(title === '' ? undefined : title)
    title = ''
    unused = made.id
    dispatch({ type: 'began', session: made })
    answering.began(made.id)
    await followed.begin(made.id, 0, [])
    return made.id
  }
  const outbox = createOutbox({
    isLinked: () => gateway !== null,
    async deliver({ id, text, files, model }) {
      const session = followed.session() ?? (await begin())
      await answering.settle(session)
      const attachments = files.length === 0 ? {} : { attachments: await ports.uploadFiles(files, linked()) }
      await linked().sendTurn({ session, text, clientId: id, ...(model !== '' && { model }), ...attachments })
      unused = null
    },
    onSent: ({ id }) => dispatch({ type: 'sent', message: id }),
    onRefused({ id, text }, error) {
      dispatch({ type: 'send_failed', message: id, text, failure: toFailure(error, 'guest_unreachable', 'See `oxbow logs`.') })
      // A session whose first message was refused leaves nothing behind.
      if (unused === null) return
      followed.end()
      dispatch({ type: 'lost_session' })
      void gateway?.call('session.delete', { session: unused }).catch(() => {})
      unused = null
    },
  })
  return {
    async linked(made) {
      gateway = made
      await followed.again(() => dispatch({ type: 'relinked' }))
      await outbox.flush()
    },
    unlinked: () => void (gateway = null),
    gateway: linked,
    current: followed.session,
    open: async (prefix) => show(sessionNamed(await linked().listSessions(maxListed), prefix)),
    openNewest: async () => show(await newestSession(linked(), followed.session())),
    chooseAgent: (name) => answering.choose(followed.session(), name),
    leave(wanted) {
      followed.end()
      title = wanted
      dispatch({ type: 'fresh', title: wanted })
    },
    async loadOlder(before) {
      const session = followed.session()
      if (session !== null) dispatch({ type: 'older', session, ...(await readPage(linked(), session, before)) })
    },
    send: outbox.add,
  }
}

interface Followed {
  session(): SessionId | null
  /** @param from the newest record that is shown @param past records that are shown */
  begin(session: SessionId, from: number, past: readonly RecordView[]): Promise<void>
  /** Follows the same session of another guest, from the newest record on. */
  again(before: () => void): Promise<void>
  end(): void
}

/** The one session whose events are shown. */
function createFollowed(gateway: () => Gateway, dispatch: (event: Event) => void): Followed {
  let session: SessionId | null = null
  let cursor = 0
  let stop = (): void => {}
  const begin: Followed['begin'] = async (id, from, past) => {
    stop()
    session = id
    cursor = from
    const take = inRecordOrder<FollowEvent>(past, (event) => session === id && dispatch({ type: 'follow', session: id, events: [event] }))
    const following = await gateway().follow(id, from, (event: FollowEvent) => {
      if (session !== id) return
      if (event.type === 'record') cursor = Math.max(cursor, event.record.seq)
      take(event)
    })
    if (session === id) stop = following.stop
    else following.stop()
  }
  return {
    session: () => session,
    begin,
    async again(before) {
      if (session === null) return
      stop = () => {}
      before()
      await begin(session, cursor, [])
    },
    end() {
      stop()
      stop = () => {}
      session = null
    },
  }
}

interface Answering {
  choose(session: SessionId | null, name: string): Promise<void>
  /** A session was started for its first message. */
  began(session: SessionId): void
  /** Before each message: a session that has begun gets the agent that was chosen, also after a lost connection. */
  settle(session: SessionId): Promise<void>
}

/** Who answers in new sessions. */
function createAnswering(gateway: () => Gateway, first: string): Answering {
  let agent = first
  let begun: SessionId | null = null
  const giveTo = (session: SessionId, name: string): Promise<void> => chooseIn(gateway(), { agent: name }, session)
  return {
    async choose(session, name) {
      if (session !== null) await giveTo(session, name)
      else await assertAgent(gateway(), name)
      agent = name
    },
    began: (session) => void (begun = session),
    async settle(session) {
      if (begun === session && agent !== '') await giveTo(session, agent)
      begun = null
    },
  }
}

/** Before there is a session for it. @throws OxbowError why it cannot answer */
export const assertAgent = (gateway: Gateway, agent: string): Promise<void> => chooseIn(gateway, { agent, dry_run: true })

async function chooseIn(gateway: Gateway, input: InputOf<'session.agent'>, session?: SessionId): Promise<void> {
  const outcome = await gateway.call('session.agent', input, session)
  if (outcome.status !== 'ok') throw toError(outcome.failure)
}

async function newestSession(gateway: Gateway, current: SessionId | null): Promise<SessionInfo> {
  const newest = newestConversation((await gateway.listSessions(maxListed)).filter(({ id }) => id !== current))
  if (newest !== undefined) return newest
  throw new OxbowError('not_found', 'There is no session to continue.', { hint: 'Send a message to start one.' })
}

interface Page {
  /** Oldest first, from the beginning of a turn. */
  readonly records: readonly RecordView[]
  readonly next: number | null
}

/** Reads a page that does not begin in the middle of a turn, however long that is. */
async function readPage(gateway: Gateway, session: SessionId, before?: number): Promise<Page> {
  let records: readonly RecordView[] = []
  let from = before
  for (;;) {
    const outcome = await gateway.call('session.records', { session, limit: pageRecords, ...(from !== undefined && { before: from }) })
    if (outcome.status !== 'ok') throw toError(outcome.failure)
    const page = outcome.output
    records = [...page.records, ...records]
    if (page.next === null) return { records, next: null }
    const begins = records.findIndex(isMessage)
    // Records before the first turn belong to the one that began before them.
    if (begins >= 0) return { records: records.slice(begins), next: records[begins]!.seq }
    from = page.next
  }
}
