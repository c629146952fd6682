/** What nodes tell each other, as the keys in NATS say it: parsed, because a node of another version may have written it. */
import { z } from 'zod'

const text = z.string().max(2_000)

/**
 * What the key of a lease says; `url` is the door of the node, and in the state `ready` the guest answers. `before`: in the state `starting`, how
 * many guests the node had to start first when this one came.
 */
export const leaseNote = z.object({
  node: text,
  url: text,
  epoch: z.int(),
  state: z.enum(['starting', 'ready', 'stopping']),
  before: z.int().optional(),
})
export type LeaseNote = Readonly<z.infer<typeof leaseNote>>

/**
 * Which node had a user last; it stays when the lease has ended. `movesTo`: the node that a person chose for the guest; empty: none. `isWanted`: a guest is to run; where it is, and no node has the lease, a node was
 * lost. `failure`: why no guest is started any more, in words; empty: nothing is wrong. `isAsleep`: the guest had nothing to do; whoever wants to reach the user wakes it.
 * `wakesAt`: when it has something to do by itself, unix milliseconds; null: it has not.
 */
export const placeNote = z.object({
  node: text,
  movesTo: text.default(''),
  isWanted: z.boolean(),
  failure: text,
  isAsleep: z.boolean().default(false),
  wakesAt: z.number().nullable().default(null),
})
export type PlaceNote = Readonly<z.infer<typeof placeNote>>
/** As it is written: what is absent has its default. */
export type PlaceChange = Readonly<z.input<typeof placeNote>>

/** What a person asked for: of a node, that it drains; of a user, that the guest moves. */
export const wishNote = z.object({ drain: z.boolean().default(false), moveTo: text.default('') })
export type WishNote = Readonly<z.infer<typeof wishNote>>

/** How strictly a node isolates what agents run, from the least. */
export const tiers = ['process', 'container', 'micro_vm'] as const

/** Of a node that was removed: its certificates from before this time, in unix milliseconds, hold no longer. */
export const revokedNote = z.object({ at: z.number() })
export type RevokedNote = Readonly<z.infer<typeof revokedNote>>

/** A node as it presents itself; `url` is where other nodes reach it, and `door` where people do. */
export const nodeView = z.object({
  name: text,
  url: text,
  door: text.default(''),
  version: text,
  protocol: z.int(),
  state: z.enum(['up', 'draining']),
  guests: z.int(),
  capacity: z.int(),
  freeMb: z.number(),
  labels: z.array(text).readonly(),
  /** Commands on it run in this tier, or a stricter one. */
  tier: z.enum(tiers).default('process'),
  /** Branches of guests on other nodes that have their hands here, and for how many there is room. */
  hands: z.int().optional(),
  hands_capacity: z.int().optional(),
})
export type NodeView = Readonly<z.infer<typeof nodeView>>

/** @returns null for what cannot be read */
export function parseNote<Schema extends z.ZodType>(schema: Schema, json: string): z.infer<Schema> | null {
  try {
    return schema.safeParse(JSON.parse(json)).data ?? null
  } catch {
    return null
  }
}
