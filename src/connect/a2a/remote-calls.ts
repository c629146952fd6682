/** The calls by which a person adds agents of others, looks at their cards, approves them, turns them off and removes them. */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type Call, type CallContext, defineCall } from '../../protocol/index.ts'
import { remoteAgent } from '../../config/index.ts'
import type { HashText } from '../mcp/definitions.ts'
import { cardSummary } from './card.ts'
import { maxRemotes } from './limits.ts'
import type { Remote } from './remote.ts'
import { type KeptRemote, type NamedRemote, type RemoteSettings, unknownRemote } from './settings.ts'

/** An agent, and the way to it. */
export interface HeldRemote {
  readonly named: NamedRemote
  readonly remote: Remote
}

export interface RemoteTable {
  readonly settings: RemoteSettings
  readonly held: () => readonly HeldRemote[]
  /** Reads the settings anew. */
  reload(): Promise<void>
  /** Whether its last card is not the approved one. */
  isChanged(remote: string): boolean
}

const name = z.string().regex(/^[a-z][a-z0-9-]{0,23}$/, 'must have up to 24 lower-case letters, digits and -')
const shared = {
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  right: 'remotes.write',
  timeoutMs: 10_000,
} as const satisfies Partial<Call>
const input = z.strictObject({ remote: name })
const example = { remote: 'translator' }

export function remoteCalls(table: RemoteTable, hash: () => Promise<HashText>): readonly Call[] {
  return [
    listRemotes(table),
    addRemote(table),
    diffRemote(table, hash),
    approveRemote(table, hash),
    switchRemote(table),
    removeRemote(table),
  ]
}

const remoteLine = z.strictObject({
  remote: z.string(),
  from: z.string(),
  url: z.string(),
  enabled: z.boolean(),
  approved: z.boolean(),
  changed: z.boolean().describe('Its card has changed, so that it is not offered.'),
  description: z.string().describe('Of the approved card.'),
  skills: z.array(z.string()).readonly(),
})

export type RemoteLine = z.infer<typeof remoteLine>

function listRemotes({ held, isChanged }: RemoteTable): Call {
  return defineCall({
    ...shared,
    name: 'remote.list',
    summary: 'Lists other people’s agents, and whether their cards are approved.',
    input: z.strictObject({}),
    output: z.strictObject({ remotes: z.array(remoteLine) }),
    example: {},
    tier: 'read_only',
    right: 'remotes.read',
    effect: 'none',
    labels: { adds: ['untrusted'], sink: false },
    recordOutput: ({ remotes }) => ({ remotes: remotes.length }),
    async run() {
      const remotes = held().map(({ named: { name: own, settings, from, kept } }): RemoteLine => ({
        remote: own,
        from,
        url: settings.url,
        enabled: !kept.disabled,
        approved: kept.approved !== null,
        changed: isChanged(own),
        description: kept.approved?.card.description ?? '',
        skills: kept.approved?.card.skills ?? [],
      }))
      return { output: { remotes } }
    },
  })
}

function addRemote(table: RemoteTable): Call {
  return defineCall({
    ...shared,
    name: 'remote.add',
    summary: 'Adds somebody else’s agent, or changes its settings. It is not offered before a person approves its card.',
    input: z.strictObject({ remote: name, settings: remoteAgent }),
    output: z.strictObject({ remote: z.string() }),
    example: { remote: 'translator', settings: { url: 'https://agents.example.com/', headers: {}, allow: [], timeout_s: 600 } },
    tier: 'side_effecting',
    effect: 'idempotent',
    async run({ remote, settings }, context) {
      const known = table.held().find(({ named }) => named.name === remote)?.named
      if (known?.from === 'config.toml')
        throw new OxbowError('denied', `The agent ${remote} is one of config.toml.`, { hint: 'Change it there, or use another name.' })
      if (known === undefined && table.held().length >= maxRemotes)
        throw new OxbowError('limit_reached', `There are ${maxRemotes} remote agents already.`, {
          hint: 'Remove one: oxbow remotes remove NAME.',
        })
      await change(table, context, 'remote.add', remote, (kept) => ({ ...(kept ?? unknownRemote), settings }))
      return { output: { remote } }
    },
  })
}

const cardDiff = z.strictObject({
  remote: z.string(),
  state: z.enum(['new', 'changed', 'same']),
  problem: z.string().describe('Why it cannot be approved; empty if it can.'),
  approved: cardSummary.nullable(),
  now: cardSummary,
  digest: z.string().describe('Stands for all that is shown: approving needs it.'),
})

export type CardDiff = z.infer<typeof cardDiff>

async function lookAt({ named, remote }: HeldRemote, hash: HashText, signal: AbortSignal): Promise<CardDiff & { readonly hash: string }> {
  const { name: own, kept } = named
  if (kept.disabled) throw new OxbowError('denied', `The agent ${own} is off.`, { hint: `Turn it on: oxbow remotes enable ${own}.` })
  const found = await remote.card(signal, true)
  const approved = kept.approved?.card ?? null
  const state = kept.approved === null ? 'new' : kept.approved.hash === found.hash ? 'same' : 'changed'
  const digest = hash(JSON.stringify([found.hash, kept.approved?.hash ?? '']))
  return { remote: own, state, problem: found.problem, approved, now: found.summary, digest, hash: found.hash }
}

function diffRemote(table: RemoteTable, loadHash: () => Promise<HashText>): Call {
  return defineCall({
    ...shared,
    name: 'remote.diff',
    summary: 'Fetches another party’s agent card and compares it with the approved one.',
    input,
    output: cardDiff,
    example,
    tier: 'side_effecting',
    effect: 'none',
    labels: { adds: ['untrusted'], sink: false },
    timeoutMs: 60_000,
    recordOutput: ({ state, digest }) => ({ card: state, digest }),
    async run({ remote }, { signal }) {
      const { hash: _, ...diff } = await lookAt(findRemote(table, remote), await loadHash(), signal)
      return { output: diff }
    },
  })
}

function approveRemote(table: RemoteTable, loadHash: () => Promise<HashText>): Call {
  return defineCall({
    ...shared,
    name: 'remote.approve',
    summary: 'Approves the card of somebody else’s agent as it was shown; it is offered to agents that have the right a2a.NAME.',
    input: z.strictObject({
      remote: name,
      digest: z.string().max(100).describe('Digest that remote.diff gave, of what the person has seen.'),
    }),
    output: z.strictObject({ call: z.string() }),
    example: { ...example, digest: '5f1d' },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: 60_000,
    async run({ remote, digest }, context) {
      const seen = await lookAt(findRemote(table, remote), await loadHash(), context.signal)
      if (seen.digest !== digest)
        throw new OxbowError('denied', `The card of ${remote} is not what was shown.`, {
          hint: `Look at it again: oxbow remotes diff ${remote}.`,
        })
      if (seen.problem !== '')
        throw new OxbowError('denied', `${remote} cannot be approved: ${seen.problem}.`, {
          hint: `If that is right, name its host: oxbow remotes add ${remote} --allow HOST.`,
        })
      const approved = { hash: seen.hash, card: seen.now }
      await change(table, context, 'remote.approve', remote, (kept) => ({ ...(kept ?? unknownRemote), approved }))
      return { output: { call: `a2a.${remote}` } }
    },
  })
}

function switchRemote(table: RemoteTable): Call {
  return defineCall({
    ...shared,
    name: 'remote.switch',
    summary: 'Turns somebody else’s agent off or on. Off, it is not offered.',
    input: z.strictObject({ remote: name, enabled: z.boolean() }),
    output: z.strictObject({ remote: z.string(), enabled: z.boolean() }),
    example: { ...example, enabled: false },
    tier: 'side_effecting',
    effect: 'idempotent',
    async run({ remote, enabled }, context) {
      findRemote(table, remote)
      await change(table, context, 'remote.switch', remote, (kept) => ({ ...(kept ?? unknownRemote), disabled: !enabled }))
      return { output: { remote, enabled } }
    },
  })
}

function removeRemote(table: RemoteTable): Call {
  return defineCall({
    ...shared,
    name: 'remote.remove',
    summary: 'Removes somebody else’s agent, and its approval. One of config.toml only loses its approval.',
    input,
    output: z.strictObject({ removed: z.boolean() }),
    example,
    tier: 'side_effecting',
    effect: 'idempotent',
    async run({ remote }, context) {
      const { named } = findRemote(table, remote)
      await change(table, context, 'remote.remove', remote, () => null)
      return { output: { removed: named.from !== 'config.toml' } }
    },
  })
}

function findRemote({ held }: RemoteTable, remote: string): HeldRemote {
  const found = held().find(({ named }) => named.name === remote)
  if (found !== undefined) return found
  throw new OxbowError('not_found', `There is no remote agent ${JSON.stringify(remote)}.`, {
    hint: '`oxbow remotes list` shows them; `oxbow remotes add` adds one.',
  })
}

async function change(
  table: RemoteTable,
  { caller, id: call }: CallContext,
  own: string,
  remote: string,
  next: (kept: KeptRemote | null) => KeptRemote | null,
): Promise<void> {
  await table.settings.change({ caller, call, name: own }, remote, next)
  await table.reload()
}

/** For reference pages; they cannot be run. */
export function describedRemoteCalls(): readonly Call[] {
  return remoteCalls({} as RemoteTable, async () => () => '')
}
