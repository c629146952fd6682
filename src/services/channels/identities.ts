/** Who is speaking: identities that the person has linked, and the codes by which somebody becomes one. */
import { createRecentMap, OxbowError } from '../../base/index.ts'
import { byKernel, type ChannelDeps, type Of } from './channel-deps.ts'
import { change, hashOf, identityCategory, identityId, type Pairing, pairingCategory, shownOf } from './channel-records.ts'
import { type Identity, type Role } from './channel-schemas.ts'
import { maxIdentities, maxSenders, pairingMs, triesWindowMs, wrongTries } from './limits.ts'

/** Somebody on a platform. */
interface Sender {
  readonly channel: string
  readonly space: string
  readonly sender: string
  readonly shown: string
}

/** A code that was made, as it is shown once. */
interface NewCode {
  readonly code: string
  /** What is in the link. */
  readonly token: string
  readonly expires_at: number
}

export interface Identities {
  find(channel: string, space: string, sender: string): Promise<Identity | null>
  get(id: string): Promise<Identity | null>
  all(channel?: string): Promise<readonly Identity[]>
  /** When somebody was linked last, unix milliseconds; what another worker has linked is seen within a minute. */
  linkedAt(): Promise<number>
  link(of: Of, sender: Sender, as: Pick<Identity, 'role' | 'rights' | 'groups'>): Promise<Identity>
  /** @returns those that are not linked any more @throws OxbowError `not_found` */
  unlink(of: Of, id: string): Promise<Identity>
  /** Makes a code for a role. */
  pair(of: Of, channel: string, role: Role): Promise<NewCode>
  /** Tries what a stranger has typed. @returns whom it has made of them; `wrong`; null: it is no code, or nothing is answered any more */
  claim(of: Of, sender: Sender, text: string): Promise<Identity | 'wrong' | null>
  /** A code for a stranger to tell the owner. */
  offer(of: Of, sender: Sender, chat: string): Promise<string>
  /** Links the stranger who was shown a code. @throws OxbowError `not_found` */
  approve(of: Of, code: string, role: Role): Promise<{ readonly identity: Identity; readonly chat: string }>
}

/** Without signs that look alike. There are 32^8 codes, and five can be tried in an hour. */
const codeSigns = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'
const codeChars = 8
const tokenBytes = 16
const linkedLookMs = 60_000

export function createIdentities(deps: ChannelDeps): Identities {
  const { documents, clock, random, noteEvent } = deps
  const newCode = (): string => [...random.bytes(codeChars)].map((byte) => codeSigns[byte % codeSigns.length]!).join('')
  const open = async () => (await documents.all<Pairing>(pairingCategory)).filter(({ value }) => value.expires_at > clock.now())
  const remove = removing(deps)
  const get: Identities['get'] = async (id) => (await documents.get<Identity>(identityCategory, id))?.value ?? null
  const link: Identities['link'] = async (of, { channel, space, sender, shown }, as) => {
    const id = identityId(channel, space, sender)
    if ((await documents.all(identityCategory)).length >= maxIdentities)
      throw new OxbowError('limit_reached', `${maxIdentities} identities are linked.`, { hint: 'Unlink some: oxbow channel unlink ID.' })
    const identity: Identity = { id, channel, space, sender, shown: shownOf(shown), ...as, linked_at: clock.now(), by: of.caller.actor }
    await documents.put(of, [change(identityCategory, id, identity)], { sync: true })
    noteEvent('identity_linked', { channel, identity: id, role: as.role })
    return identity
  }
  /** Makes a code. What has expired goes with it. */
  const make = async (of: Of, pairing: Omit<Pairing, 'expires_at' | 'link' | 'code'>): Promise<NewCode> => {
    const code = newCode()
    const token = Buffer.from(random.bytes(tokenBytes)).toString('base64url')
    const expires_at = clock.now() + pairingMs
    const value: Pairing = { ...pairing, expires_at, link: hashOf(token), code: hashOf(code) }
    const old = (await documents.all<Pairing>(pairingCategory)).filter((each) => each.value.expires_at <= clock.now())
    await documents.put(of, [
      ...old.map(({ name }) => change(pairingCategory, name, null)),
      change(pairingCategory, value.code.slice(0, 32), value),
    ])
    return { code, token, expires_at }
  }
  return {
    get,
    link,
    linkedAt: createLinkedAt(deps),
    find: (channel, space, sender) => get(identityId(channel, space, sender)),
    all: async (channel) =>
      (await documents.all<Identity>(identityCategory))
        .map(({ value }) => value)
        .filter((each) => channel === undefined || each.channel === channel),
    async unlink(of, id) {
      const found = await get(id)
      if (found === null) throw new OxbowError('not_found', `There is no identity ${id}.`, { hint: '`oxbow channel people` lists them.' })
      await documents.put(of, [change(identityCategory, id, null)], { sync: true })
      noteEvent('identity_unlinked', { channel: found.channel, identity: id })
      return found
    },
    pair: (of, channel, role) => make(of, { channel, role }),
    claim: createClaim(deps, { open, remove, link }),
    async offer(of, { channel, space, sender, shown }, chat) {
      const { code } = await make(of, { channel, role: 'member', stranger: { space, sender, shown, chat } })
      return code
    },
    async approve(of, code, role) {
      const hash = hashOf(code.trim().toUpperCase().replace(/[\s-]/g, ''))
      const found = (await open()).find(({ value }) => value.stranger !== undefined && value.code === hash)
      if (found === undefined || !(await remove(found.name)))
        throw new OxbowError('not_found', 'No stranger was shown this code in the last ten minutes.', {
          hint: 'Have them write again; `channels.strangers` must be "code".',
        })
      const { channel, stranger } = found.value
      const { chat, ...rest } = stranger!
      return { identity: await link(of, { channel, ...rest }, { role, rights: [], groups: [] }), chat }
    },
  }
}

/** @returns what takes a code away; false: somebody else, whose message came at the same time, has used it */
function removing(deps: ChannelDeps): (name: string) => Promise<boolean> {
  return async (name) => {
    let isThere = false
    const gone = async (now: unknown) => {
      isThere = now !== null
      return isThere ? [change(pairingCategory, name, null)] : []
    }
    await deps.documents.update(byKernel(deps, 'channel.pair'), pairingCategory, name, gone, { sync: true })
    return isThere
  }
}

function createLinkedAt({ documents, clock }: ChannelDeps): Identities['linkedAt'] {
  let newest = { linked: 0, seen: -Infinity }
  let changes = 0
  documents.watch(identityCategory, () => {
    changes += 1
    newest = { ...newest, seen: -Infinity }
  })
  return async () => {
    const [now, before] = [clock.now(), changes]
    if (now - newest.seen <= linkedLookMs) return newest.linked
    const found = await documents.all<Identity>(identityCategory)
    const linked = found.reduce((last, { value }) => Math.max(last, value.linked_at), 0)
    newest = { linked, seen: before === changes ? now : -Infinity }
    return linked
  }
}

interface ClaimParts extends Pick<Identities, 'link'> {
  readonly open: () => Promise<readonly { readonly name: string; readonly value: Pairing }[]>
  readonly remove: (name: string) => Promise<boolean>
}

function createClaim({ clock, noteEvent }: ChannelDeps, { open, remove, link }: ClaimParts): Identities['claim'] {
  const wrong = createRecentMap<string, readonly number[]>(maxSenders)
  return async (of, sender, text) => {
    const tried = /^\/start(?:@\w+)?\s+([\w-]{22})$/.exec(text.trim())?.[1] ?? ''
    const typed = tried === '' ? text.trim().toUpperCase().replace(/[\s-]/g, '') : ''
    if (tried === '' && !/^[2-9A-Z]{8}$/.test(typed)) return null
    const key = identityId(sender.channel, sender.space, sender.sender)
    const failures = (wrong.get(key) ?? []).filter((at) => clock.now() - at < triesWindowMs)
    if (failures.length >= wrongTries) return null
    const hash = hashOf(tried === '' ? typed : tried)
    const offered = (await open()).filter(({ value }) => value.channel === sender.channel && value.stranger === undefined)
    // Where no code is out, eight letters are a word, and nobody hears that there is an agent.
    if (offered.length === 0) return null
    const found = offered.find(({ value }) => (tried === '' ? value.code : value.link) === hash)
    // Good once: it is gone before anybody is linked.
    if (found === undefined || !(await remove(found.name))) {
      wrong.put(key, [...failures, clock.now()])
      noteEvent('channel_refused', { channel: sender.channel, sender: key, reason: 'wrong code' })
      return 'wrong'
    }
    return link(of, sender, { role: found.value.role, rights: [], groups: [] })
  }
}
