/** The channels of a user, open: what their calls use, and the start of the process that speaks to the platforms. */
import { derivedId, once, OxbowError } from '../../base/index.ts'
import type { ChannelSettings } from '../../config/index.ts'
import { cancelCall } from '../../protocol/index.ts'
import type { RunsPort } from '../../runs/index.ts'
import { askAsPerson, type ChannelDeps, type Of } from './channel-deps.ts'
import { change, channelCategory, type ChannelDoc, type ChannelHealth, processRight, secretName } from './channel-records.ts'
import type { Delivery } from './channel-schemas.ts'
import { type Chats, createChats } from './chats.ts'
import { menu } from './commands.ts'
import { createIdentities, type Identities } from './identities.ts'
import { maxChannels } from './limits.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import { createMissed } from './notices/missed.ts'
import { createNotices, type Notices } from './notices/notices.ts'
import { createQuestions, type Questions } from './questions.ts'
import { createReceiving, type Receiving } from './receiving.ts'
import { watchDecisions } from './turns/chat-turns.ts'
import type { Spoken } from './turns/hearing.ts'
import { createReleases, type Releases } from './turns/releases.ts'

/** @returns the channels, which are opened by the first call that needs them */
export type LoadChannels = () => Promise<Channels>

export interface Channels extends Receiving {
  readonly outbox: Outbox
  readonly chats: Chats
  readonly identities: Identities
  readonly questions: Questions
  readonly releases: Releases
  readonly notices: Notices
  /** Speaks the answer of a turn that has ended. */
  speak(delivery: Delivery, signal: AbortSignal): Promise<Spoken>
  all(): Promise<readonly ChannelDoc[]>
  /** @throws OxbowError `not_found` */
  get(name: string): Promise<ChannelDoc>
  health(name: string): ChannelHealth
  /** Keeps what the process says of a channel. */
  say(of: Of, name: string, health: Omit<ChannelHealth, 'since'>, self: ChannelDoc['self']): Promise<void>
  add(of: Of, channel: ChannelSettings): Promise<void>
  set(of: Of, name: string, state: ChannelDoc['state']): Promise<void>
  remove(of: Of, name: string): Promise<void>
  /** Stops the turns of an identity that run. */
  stop(identity: string): Promise<void>
  /** Resolves when the state of a channel is another one than when it was asked, or after that time. */
  settled(name: string, ms: number, signal: AbortSignal): Promise<void>
  /** Goes on after a start of the guest. */
  begin(): Promise<void>
  end(): Promise<void>
}

const keyName = 'channels'
const healthTopic = 'channel health'

export async function openChannels(core: ChannelDeps | Omit<ChannelDeps, 'runs'>, runs: RunsPort): Promise<Channels> {
  const deps: ChannelDeps = { ...core, runs }
  const { documents, clock, events } = deps
  const openedAt = clock.now()
  const health = new Map<string, ChannelHealth>()
  const healthOf = (name: string): ChannelHealth => health.get(name) ?? { state: 'starting', why: '', since: openedAt }
  const outbox = createOutbox(deps)
  const identities = createIdentities(deps)
  const chats = createChats(deps, outbox)
  const questions = createQuestions(deps, { outbox, identities, chats })
  const all: Channels['all'] = async () => (await documents.all<ChannelDoc>(channelCategory)).map(({ value }) => value)
  const get: Channels['get'] = async (name) => {
    const found = await documents.get<ChannelDoc>(channelCategory, name)
    if (found === null)
      throw new OxbowError('not_found', `There is no channel ${JSON.stringify(name)}.`, { hint: '`oxbow channel list` lists them.' })
    return found.value
  }
  const process = createProcess(deps, all, (name, state) => void health.set(name, { ...state, since: clock.now() }))
  const missed = createMissed(deps, outbox)
  const releases = createReleases(deps, { outbox, questions })
  const notices = createNotices(deps, { chats, identities, outbox, all, health: healthOf })
  const watchers = [watchDecisions(deps), questions.watch, notices.watch]
  const watch: Parameters<typeof events.watchers.add>[0] = (record) => watchers.forEach((each) => each(record))
  return {
    ...createReceiving(deps, { outbox, identities, chats, missed, channel: get, health: healthOf }),
    outbox,
    chats,
    identities,
    questions,
    releases,
    notices,
    speak: async (delivery, signal) => (await import('./turns/hearing.ts')).speakAnswer(deps, delivery, signal),
    all,
    get,
    health: healthOf,
    async say(of, name, { state, why }, self) {
      // How long it has been so counts from the first time.
      if (health.get(name)?.state !== state || self !== null) health.set(name, { state, why, since: clock.now() })
      if (self !== null)
        await documents.change<ChannelDoc>(of, channelCategory, name, (now) => (now === null ? undefined : { ...now.value, self }))
      runs.changed(healthTopic)
    },
    ...changing(deps, { all, get, outbox, health, start: process.start }),
    async stop(identity) {
      for (const { running } of await chats.all())
        if (running?.identity === identity) await askAsPerson(deps)(cancelCall, { session: running.session }, running.session)
    },
    async settled(name, ms, signal) {
      const isSettled = (): true | null => ((health.get(name)?.state ?? 'starting') === 'starting' ? null : true)
      await runs.until(healthTopic, isSettled, { signal, until: clock.now() + ms })
    },
    async begin() {
      events.watchers.add(watch)
      await Promise.all([chats.load(), missed.load(), releases.load(), notices.load()])
      // The guest announces its address first.
      void startUntilDone(process.start, runs).catch(() => {})
    },
    end: async () => void events.watchers.delete(watch),
  }
}

interface ChangingParts extends Pick<Channels, 'all' | 'get' | 'outbox'> {
  readonly health: Map<string, ChannelHealth>
  readonly start: () => Promise<void>
}

/** Each change is on record before the process hears of it. */
function changing(deps: ChannelDeps, { all, get, outbox, health, start }: ChangingParts): Pick<Channels, 'add' | 'set' | 'remove'> {
  const { documents, clock } = deps
  return {
    async add(of, { name, kind, secrets, options }) {
      const known = await all()
      const before = known.find((each) => each.name === name)
      if (before === undefined && known.length >= maxChannels)
        throw new OxbowError('limit_reached', `There are ${maxChannels} channels.`, { hint: 'Remove one: oxbow channel remove NAME.' })
      for (const [secret, value] of Object.entries(secrets)) await keepSecret(deps, secretName(name, secret), value)
      const doc: ChannelDoc = {
        name,
        kind,
        options,
        secrets: Object.keys(secrets),
        state: 'on',
        added_at: before?.added_at ?? clock.now(),
        self: null,
      }
      await documents.put(of, [change(channelCategory, name, doc)], { sync: true })
      health.delete(name)
      await start()
    },
    async set(of, name, state) {
      await get(name)
      await documents.change<ChannelDoc>(of, channelCategory, name, (now) => (now === null ? undefined : { ...now.value, state }))
      health.delete(name)
      await start()
      outbox.wake()
    },
    async remove(of, name) {
      const { secrets } = await get(name)
      await documents.put(of, [change(channelCategory, name, null)], { sync: true })
      for (const secret of secrets) await keepSecret(deps, secretName(name, secret), null)
      await outbox.drop(of, name)
      health.delete(name)
      await start()
    },
  }
}

const startPauseMs = 2_000

/** The first calls of a guest that goes on after a crash may fail. Rejects when the guest stops. */
async function startUntilDone(start: () => Promise<void>, { pause }: Pick<RunsPort, 'pause'>): Promise<void> {
  for (;;) {
    try {
      return await start()
    } catch {
      await pause(startPauseMs)
    }
  }
}

/** Sealed, and known as a secret from now on. @param value null removes it */
async function keepSecret({ secrets, secretKeeper, host }: ChannelDeps, name: string, value: string | null): Promise<void> {
  if (secretKeeper !== undefined) await (value === null ? secretKeeper.remove(name) : secretKeeper.keep(name, value))
  else if (host !== undefined) await host.setSecret(name, value)
  else throw new OxbowError('denied', 'This guest cannot store secrets.', { hint: 'Start it with `oxbow start`.' })
  if (value === null) secrets.remove(name)
  else secrets.add(name, value, 'configured')
}

const unreadable = 'its token or password cannot be read in this home: restore the backup with the key that has sealed it'

/** The process that speaks to the platforms. It has a key of its own, which is made with each start and is good for nothing else. */
function createProcess(
  deps: ChannelDeps,
  all: () => Promise<readonly ChannelDoc[]>,
  onState: (name: string, state: Omit<ChannelHealth, 'since'>) => void,
) {
  const { secrets, host } = deps
  const ask = askAsPerson(deps)
  const newKey = async (): Promise<string> => {
    await ask('key.revoke', { key: keyName })
    const made = await ask('key.create', { name: keyName, rights: [processRight] })
    if (made.status !== 'ok') throw new OxbowError(made.failure.code, made.failure.message, { hint: made.failure.hint })
    return made.output.key
  }
  const key = once(newKey)
  const hand = async (): Promise<void> => {
    const wanted = (await all()).filter(({ state }) => state === 'on')
    // Such as in a home that was restored without the key of the other.
    const isReadable = ({ name, secrets: names }: ChannelDoc): boolean =>
      names.every((each) => secrets.valueOf(secretName(name, each)) !== undefined)
    for (const { name } of wanted.filter((each) => !isReadable(each))) onState(name, { state: 'failed', why: unreadable })
    const on = wanted.filter(isReadable)
    const start = host?.channels
    if (start === undefined)
      return on.forEach(({ name }) => onState(name, { state: 'failed', why: 'this guest has no runner that could start channels' }))
    if (on.length === 0) return start(null)
    const settings = on.map(({ name, kind, options, secrets: names, added_at: addedAt }) => ({
      id: derivedId('channel', name, String(addedAt)),
      name,
      kind,
      since: addedAt,
      options,
      secrets: Object.fromEntries(names.map((each) => [each, secrets.valueOf(secretName(name, each)) ?? ''])),
    }))
    on.forEach(({ name }) => onState(name, { state: 'starting', why: '' }))
    await start({ key: await key(), menu, channels: settings })
  }
  let last: Promise<void> = Promise.resolve()
  return {
    /** One after another, each with the channels as they are then. */
    start(): Promise<void> {
      last = last.catch(() => {}).then(hand)
      return last
    },
  }
}
