/** A guest's store and the secrets in it. `main.ts` loads this file first, so that the database's worker starts before everything else is loaded. */
import { hkdfSync } from 'node:crypto'
import { join } from 'node:path'
import type { SecretKeeper } from '../secrets/index.ts'
import {
  answerKeys,
  bucketOf,
  cipherChoice,
  prepareStore,
  sealSecrets,
  type GuestSide,
  type OpeningStore,
  openStore,
  openZoeyThread,
  shownStore,
  storeAddress,
  storedSecrets,
  zoeyMethods,
} from '../store/index.ts'
import { isOxbowError, type Json, once, OxbowError, ownValue, systemClock, toFailure } from '../base/index.ts'
import type { GuestEnvelope, KeyQuestion, KeyReport } from '../config/index.ts'

/** @throws OxbowError `bad_config` for an invalid address, or one that the guest cannot reach */
export async function openGuestStore(envelope: GuestEnvelope): Promise<OpeningStore> {
  const { user, workspaceRoot, config, keys, isolation, lease, masterKeys: masters } = envelope
  const path = join(workspaceRoot, 'internal', 'oxbow.db')
  const choice = {
    config: config.store,
    environment: keys,
    path,
    user,
    exclusive: true,
    ...(masters && { masters }),
    ...(lease && { lease, bucket: bucketOf(config.cluster.blobs, keys) }),
  }
  if (isolation !== undefined || config.cluster.nats.length > 0) (await import('./store-place.ts')).assertPlaced(envelope)
  const cipher = cipherChoice(choice)
  await prepareStore(
    { user, file: path, url: storeAddress(choice), backups: '', ...(cipher !== null && { cipher }) },
    isolation === undefined,
  )
  return openStore(choice)
}

export interface GuestPluginData {
  methods(): Promise<{ readonly reads: readonly string[]; readonly changes: readonly string[] }>
  ask(request: { readonly scope: string; readonly method: string; readonly args: readonly Json[] }): Promise<Json>
  /** Erases what plugins keep with one of these folded phrases. @returns how many rows */
  forget(phrases: readonly string[]): Promise<number>
  /** Erases all that a plugin keeps. */
  clear(plugin: string): Promise<void>
  close(): Promise<void>
}

/** What plugins keep, in the guest's store; its thread starts with the first request. */
export function openPluginData(envelope: GuestEnvelope): GuestPluginData {
  const { user, workspaceRoot, config, keys, masterKeys: masters } = envelope
  const choice = { config: config.store, environment: keys, ...(masters !== undefined && { masters }) }
  const cipher = cipherChoice(choice)
  const place = {
    user,
    file: join(workspaceRoot, 'internal', 'oxbow.db'),
    url: storeAddress(choice),
    guest: guestSide(envelope),
    ...(cipher !== null && { cipher }),
  }
  const thread = once(() => openZoeyThread(place))
  let isOpen = false
  return {
    methods: zoeyMethods,
    async ask(request) {
      isOpen = true
      return (await thread()).ask(request as never)
    },
    async forget(phrases) {
      if (phrases.length === 0) return 0
      isOpen = true
      return Number(await (await thread()).ask({ method: 'forget', phrases }))
    },
    async clear(plugin) {
      isOpen = true
      await (await thread()).ask({ method: 'clear', plugin })
    },
    close: async () => (isOpen ? (await thread()).close() : undefined),
  }
}

/** @returns whether the store is a database server, not a file */
export function isOnServer({ config, keys }: GuestEnvelope): boolean {
  return storeAddress({ config: config.store, environment: keys }) !== ''
}

/** @returns for people: `file`, or the address of the database without its password; and whether this process is isolated */
export async function shownFacts({
  config,
  keys: environment,
  isolation,
}: GuestEnvelope): Promise<{ readonly storeName: string; readonly isolated: boolean }> {
  return { storeName: await shownStore({ config: config.store, environment, path: 'file' }), isolated: isolation !== undefined }
}

/** Answers `oxbow secret` and the commands that encrypt the store. */
export function answerKeyQuestion(question: KeyQuestion, envelope: GuestEnvelope): Promise<KeyReport> {
  const { masterKeys = [] } = envelope
  if (masterKeys.length === 0) throw new Error('the envelope has no master keys')
  return answerKeys(question, { place: keyPlace(envelope), masters: masterKeys, clock: systemClock })
}

/** @returns the envelope with the stored secrets that its configuration names; variables of the host's environment take precedence */
export async function withStoredSecrets(envelope: GuestEnvelope): Promise<GuestEnvelope> {
  const { wantedKeys = [], masterKeys = [] } = envelope
  if (masterKeys.length === 0) return envelope
  try {
    const sealed = await readSealed(envelope, masterKeys)
    const secrets = Object.fromEntries(Object.entries(sealed).filter(([name]) => wantedKeys.includes(name)))
    const unused = Object.entries(sealed).filter(([name, value]) => ownValue({ ...secrets, ...envelope.keys }, name) !== value)
    return { ...envelope, keys: { ...secrets, ...envelope.keys }, unusedSecrets: Object.fromEntries(unused) }
  } catch (error) {
    // A store that must be migrated first has none, and opening a broken store reports why.
    if (error instanceof OxbowError && error.code === 'denied') throw error
    console.error(`secrets cannot be read: ${toFailure(error, 'store_failed', '').message}`)
    return envelope
  }
}

async function readSealed(envelope: GuestEnvelope, masters: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const { wantedKeys = [], config } = envelope
  const read = (guest: GuestSide) => storedSecrets(wantedKeys, { place: { ...keyPlace(envelope), guest }, masters, clock: systemClock })
  try {
    return await read(guestSide(envelope))
  } catch (error) {
    // The guest’s role gets its rights when the store is opened, behind this: at its first start the owner of the tables reads.
    if (config.store.role === '' || !isOxbowError(error, 'bad_config')) throw error
    return read(keyPlace(envelope).guest)
  }
}

/**
 * Changes that arrive while others are being written share the next transaction, so that an output with a hundred secrets costs one.
 * @returns undefined for a user without a master key, under which nothing can be sealed
 */
export function openSecretKeeper(envelope: GuestEnvelope): SecretKeeper | undefined {
  const { masterKeys: masters = [] } = envelope
  const [master] = masters
  if (master === undefined) return undefined
  let waiting = new Map<string, string | null>()
  let writing: Promise<void> | null = null
  let next: Promise<void> | null = null
  const write = async (): Promise<void> => {
    await writing?.catch(() => {})
    const changes = waiting
    waiting = new Map()
    next = null
    writing = sealSecrets(changes, { place: { ...keyPlace(envelope), guest: guestSide(envelope) }, masters, clock: systemClock })
    return writing
  }
  const change = (name: string, value: string | null): Promise<void> => {
    waiting.set(name, value)
    return (next ??= write())
  }
  return {
    tagKey: Buffer.from(hkdfSync('sha256', Buffer.from(master, 'hex'), '', 'tags of secrets', 32)),
    keep: change,
    remove: (name) => change(name, null),
  }
}

function keyPlace(envelope: GuestEnvelope) {
  const { user, workspaceRoot, config, keys } = envelope
  const url = storeAddress({ config: config.store, environment: keys })
  // Upkeep works as the role of the address.
  return { user, url, file: join(workspaceRoot, 'internal', 'oxbow.db'), guest: { ...guestSide(envelope), role: '' } }
}

function guestSide({ user, config, lease }: GuestEnvelope): GuestSide {
  return { user, role: config.store.role, ...(lease && { lease }) }
}
