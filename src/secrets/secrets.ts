/**
 * The secrets that a guest knows: provider keys, sealed secrets, values in the vault, and those that were found in the output of tools.
 * Whatever leaves a call, for a model, a person or the journal, has handles in place of them; `secret-use.ts` decides where a handle
 * becomes a value again.
 *
 * A found secret has a name that follows from its value and a key of this user, so that the same value has the same handle after a
 * restart and in another guest. Its value is sealed in the store; the journal has a document about it, without the value.
 */
import { createHmac } from 'node:crypto'
import { type CallId, isObject, type Json, type JsonObject, once } from '../base/index.ts'
import type { Caller, Message } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import { createDeepHide } from './deep-hide.ts'
import { maxFoundSecrets, maxPasses } from './limits.ts'
import { createSecretSearch, type SecretSearch } from './secret-search.ts'
import { findUnknown } from './unknown-secrets.ts'
import type { VaultReader } from './vault-values.ts'

/** Where values of found secrets are kept, sealed. */
export interface SecretKeeper {
  keep(name: string, value: string): Promise<void>
  remove(name: string): Promise<void>
  /** Key of the HMAC that names found secrets; it encrypts no value. */
  readonly tagKey: Uint8Array
}

type SecretSource = 'configured' | 'vault' | 'found'

interface SecretFacts {
  readonly name: string
  readonly source: SecretSource
  readonly characters: number
}

/** What is remembered of a found secret, in the category `system/secrets`. */
export interface FoundSecret {
  readonly kind: string
  /** The call in whose output it was found. */
  readonly call: string
  readonly session: string
  /** A person has decided that it is no secret: it is shown unchanged. */
  readonly released?: true
}

export const foundCategory = 'system/secrets'
/** What a person has allowed by `oxbow secret allow`, in addition to the configuration. */
const policyCategory = 'system/secret_uses'
const foundPrefix = 'found.'
const foundName = /^found\.[a-z_]{1,30}\.[0-9a-z]{10}$/

/** What a secret may be used for. */
export type SecretPolicy = Config['secrets'][string]

/** The call whose output is searched. */
export interface Origin {
  readonly caller: Caller
  readonly call: CallId
  readonly name: string
}

export interface Secrets {
  /** Replaces known secrets by handles. @param onFound called with the name of each */
  hide(text: string, onFound?: (name: string) => void): string
  /** As `hide`, for a text that mostly is the same as the one before, such as a system prompt. */
  hideAgain(text: string): string
  /** As `hide`, for a text that may have been cut from a longer one. */
  hideCut(text: string, onFound?: (name: string) => void): string
  /** For bytes in any encoding that includes ASCII. @returns the same bytes if they contain no secret */
  hideBytes(bytes: Buffer): Buffer
  /** Replaces known secrets in every string of a JSON value, names of fields included. @returns the same value if it contains no secret */
  hideIn<Value>(value: Value, onFound?: (name: string) => void): Value
  /** As `hideIn`, for the body of a record. The bytes of an exchange with a model are searched as they come, which costs less. */
  hideInRecord(body: JsonObject): JsonObject
  /** A JSON text, e.g. the arguments that a model wrote. */
  hideInJson(text: string): string
  /** The messages of a request, without secrets that became known only after the messages were recorded. */
  hideInMessages(messages: readonly Message[]): readonly Message[]
  /** For text that arrives in pieces, where a secret may begin in one and end in the next. */
  stream(): { push(piece: string): string; end(): string }
  /** Replaces known and unknown secrets; the latter are known from now on. @param onFound called with the name of each */
  learn(text: string, origin: Origin, onFound?: (name: string) => void): string
  /** Replaces known secrets, and whatever looks like a secret, without remembering it. */
  mask(text: string): string
  /** @returns whether a name is a found secret's, known or not: a handle that was made for it is more than text */
  isFoundName(name: string): boolean
  /** @returns the characters that a handle, without its brackets, stands for */
  spelled(handle: string): { readonly name: string; readonly text: string } | undefined
  has(name: string): boolean
  valueOf(name: string): string | undefined
  list(): readonly SecretFacts[]
  add(name: string, value: string, source: SecretSource): void
  remove(name: string): void
  /** What was found is not a secret: it is shown as it is, and never found again. */
  release(origin: Origin, name: string, found: FoundSecret): Promise<void>
  /** What the configuration and the person allow together; undefined for nothing. */
  policyOf(name: string): SecretPolicy | undefined
  policies(): Iterable<readonly [name: string, policy: SecretPolicy]>
  /** @param policy null withdraws what a person has allowed; the configuration still applies */
  allow(origin: Origin, name: string, policy: SecretPolicy | null): Promise<void>
  /** Reads the vault again if it has changed. */
  refresh(): void
  /** Loads what a person has allowed and released, once. */
  ready(): Promise<void>
}

/** What of the kernel's documents the secrets use. */
interface SecretDocuments {
  all(category: string): Promise<readonly { readonly name: string; readonly value: Json }[]>
  put(
    of: { readonly caller: Caller; readonly call: CallId; readonly name: string },
    changes: readonly { readonly category: string; readonly name: string; readonly value: unknown }[],
  ): Promise<void>
}

export interface SecretsDeps {
  /** By name: what the configuration and the store have. */
  readonly known: ReadonlyMap<string, string>
  readonly keeper: SecretKeeper
  readonly documents: SecretDocuments
  readonly policies: Config['secrets']
  /** Looked at before each call that could show a value. */
  readonly vault: VaultReader
}

export function createSecrets(deps: SecretsDeps): Secrets {
  const search = createSecretSearch()
  const values = createValues(deps.known, search)
  const finder = createFinder(deps, values)
  const permissions = createPermissions(deps)
  const hideIn = createDeepHide(search.hide, true)
  const messages = createMessageCache(hideIn)
  const load = once(async () => {
    const vault = deps.vault.load?.().then((found) => values.replace('vault', found))
    // Without a sandbox there is no call that could show a value of the vault.
    await Promise.all([finder.load(), permissions.load(), vault?.catch(() => {})])
  })
  let again = { text: '', changes: -1, hidden: '' }
  return {
    ...search,
    ...values,
    ...permissions,
    hideIn: (value, onFound) => (search.isEmpty() ? value : hideIn(value, onFound)),
    hideInRecord: (body) => (search.isEmpty() || 'wire' in body ? body : hideIn(body)),
    hideInJson(text) {
      const hidden = search.hide(text)
      if (hidden === text) return text
      try {
        return JSON.stringify(hideIn(JSON.parse(text) as unknown))
      } catch {
        return hidden
      }
    },
    hideAgain(text) {
      const changes = values.changes()
      if (again.text !== text || again.changes !== changes) again = { text, changes, hidden: search.hide(text) }
      return again.hidden
    },
    hideInMessages: (list) => (search.isEmpty() ? list : messages(list, values.changes())),
    stream: () => createStream(search),
    learn(text, origin, onFound) {
      let hidden = search.hide(text, onFound)
      // Each pass finds a limited number.
      for (let pass = 0; pass < maxPasses; pass += 1) {
        const replaced = finder.replace(hidden, origin, onFound)
        if (replaced === hidden) break
        hidden = search.hide(replaced, onFound)
      }
      return hidden
    },
    mask(text) {
      let shown = ''
      let from = 0
      const hidden = search.hideCut(text)
      for (const { start, end, kind } of finder.find(hidden)) {
        shown += `${hidden.slice(from, start)}[secret:${kind}]`
        from = end
      }
      return from === 0 ? hidden : shown + hidden.slice(from)
    },
    release: finder.release,
    isFoundName: (name) => foundName.test(name),
    refresh() {
      const vault = deps.vault.changed()
      if (vault !== null) values.replace('vault', vault)
    },
    ready: load,
  }
}

type Values = Pick<Secrets, 'has' | 'valueOf' | 'list' | 'add' | 'remove'> & {
  readonly nameOf: (value: string) => string | undefined
  /** Sets all secrets of a source. */
  replace(source: SecretSource, known: ReadonlyMap<string, string>): void
  /** How often a secret was added: what was searched before may have it. */
  changes(): number
}

function createValues(known: ReadonlyMap<string, string>, search: SecretSearch): Values {
  const all = new Map<string, { readonly value: string; readonly source: SecretSource }>()
  let changes = 0
  const values: Values = {
    has: (name) => all.has(name),
    valueOf: (name) => all.get(name)?.value,
    nameOf: search.nameOf,
    list: () => [...all].map(([name, { value, source }]) => ({ name, source, characters: value.length })),
    add(name, value, source) {
      if (all.get(name)?.value === value) return
      if (all.has(name)) search.remove(name)
      all.delete(name)
      if (!search.add(name, value)) return
      all.set(name, { value, source })
      changes += 1
    },
    remove(name) {
      search.remove(name)
      all.delete(name)
    },
    replace(source, next) {
      for (const [name, { source: from }] of all) if (from === source && !next.has(name)) values.remove(name)
      for (const [name, value] of next) values.add(name, value, source)
    },
    changes: () => changes,
  }
  // A name that a person has chosen comes first, and replaces the value.
  const isFound = (name: string): boolean => name.startsWith(foundPrefix)
  for (const [name, value] of known) if (!isFound(name)) values.add(name, value, 'configured')
  for (const [name, value] of known) if (isFound(name)) values.add(name, value, 'found')
  return values
}

/** Finds unknown secrets, and remembers those that a person has released. */
function createFinder({ keeper, documents }: SecretsDeps, values: Values) {
  const released = new Set<string>()
  let kept = 0
  const tagOf = (value: string): string => {
    const bytes = createHmac('sha256', keeper.tagKey).update(value).digest()
    return BigInt(`0x${bytes.toString('hex', 0, 6)}`)
      .toString(36)
      .padStart(10, '0')
  }
  const find = (text: string) =>
    findUnknown(text).flatMap(({ start, end, kind }) => {
      const tag = tagOf(text.slice(start, end))
      return released.has(tag) ? [] : [{ start, end, kind, name: `${foundPrefix}${kind}.${tag}` }]
    })
  const keep = (name: string, value: string, kind: string, { caller, call, name: of }: Origin): void => {
    kept += 1
    const note: FoundSecret = { kind, call: of, session: caller.session }
    // The output does not wait for it: a secret that is lost by a crash is found again in the same place.
    void keeper.keep(name, value).catch(() => {})
    void documents.put({ caller, call, name: of }, [{ category: foundCategory, name, value: note }]).catch(() => {})
  }
  return {
    find,
    /** @returns the text with handles in place of secrets that were unknown, which are known from now on, up to a number of them */
    replace(text: string, origin: Origin, onFound?: (name: string) => void): string {
      let replaced = ''
      let from = 0
      for (const { start, end, kind, name } of find(text)) {
        const value = text.slice(start, end)
        if (values.nameOf(value) === undefined && !values.has(name) && kept < maxFoundSecrets) {
          values.add(name, value, 'found')
          keep(name, value, kind, origin)
        }
        const handle = values.nameOf(value) ?? name
        onFound?.(handle)
        replaced += `${text.slice(from, start)}[secret:${handle}]`
        from = end
      }
      return from === 0 ? text : replaced + text.slice(from)
    },
    async load() {
      for (const { name, value } of await documents.all(foundCategory).catch(() => []))
        if (isObject(value) && value['released'] === true) released.add(tagIn(name))
    },
    async release({ caller, call, name: by }: Origin, name: string, note: FoundSecret): Promise<void> {
      released.add(tagIn(name))
      values.remove(name)
      await documents.put({ caller, call, name: by }, [{ category: foundCategory, name, value: { ...note, released: true } }])
      await keeper.remove(name)
    },
  }
}

function tagIn(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function createPermissions({
  documents,
  policies,
}: SecretsDeps): Pick<Secrets, 'policyOf' | 'policies' | 'allow'> & { load(): Promise<void> } {
  const allowed = new Map<string, SecretPolicy>()
  const policyOf: Secrets['policyOf'] = (name) => {
    const [set, added] = [Object.hasOwn(policies, name) ? policies[name] : undefined, allowed.get(name)]
    if (set === undefined || added === undefined) return set ?? added
    return { calls: [...set.calls, ...added.calls], hosts: [...set.hosts, ...added.hosts], env: added.env || set.env }
  }
  return {
    policyOf,
    policies: () => [...new Set([...Object.keys(policies), ...allowed.keys()])].map((name) => [name, policyOf(name)!] as const),
    async allow({ caller, call, name: by }, name, policy) {
      await documents.put({ caller, call, name: by }, [{ category: policyCategory, name, value: policy }])
      if (policy === null) allowed.delete(name)
      else allowed.set(name, policy)
    },
    async load() {
      for (const { name, value } of await documents.all(policyCategory).catch(() => [])) allowed.set(name, value as unknown as SecretPolicy)
    },
  }
}

function createMessageCache(
  hide: (messages: readonly Message[]) => readonly Message[],
): (list: readonly Message[], epoch: number) => readonly Message[] {
  let held = new WeakMap<Message, Message>()
  let heldEpoch = -1
  return (list, epoch) => {
    if (epoch !== heldEpoch) held = new WeakMap()
    heldEpoch = epoch
    const unknown = list.filter((message) => !held.has(message))
    hide(unknown).forEach((hidden, at) => held.set(unknown[at]!, hidden))
    return list.map((message) => held.get(message)!)
  }
}

function createStream({ hide, openAt }: SecretSearch): ReturnType<Secrets['stream']> {
  let waiting = ''
  return {
    push(piece) {
      const hidden = hide(waiting + piece)
      const at = openAt(hidden)
      waiting = hidden.slice(at)
      return hidden.slice(0, at)
    },
    end() {
      const rest = waiting
      waiting = ''
      return rest
    },
  }
}

/** For a kernel without a store for them: values are found anew after a restart, under other names. */
export function noKeeper(tagKey: Uint8Array): SecretKeeper {
  return { keep: async () => {}, remove: async () => {}, tagKey }
}

/** @returns at most the first and the last characters, as many as reveal nothing */
export function maskedValue(value: string): string {
  const shown = value.length >= 24 ? 4 : value.length >= 16 ? 2 : 0
  return `${value.slice(0, shown)}${'•'.repeat(8)}${shown === 0 ? '' : value.slice(-shown)}`
}
