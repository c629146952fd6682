/** The part of the configuration that is about a cluster: how this machine, a node, reaches the others. */
import { z } from 'zod'
import { blobsConfig } from './config-blobs.ts'

const natsUrl = z
  .string()
  .max(2_000)
  .refine((url) => /^(?:nats|tls):$/.test(URL.parse(url)?.protocol ?? ''), 'must be a nats:// or tls:// URL')

const label = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,39}$/, 'must have up to 40 lower-case letters, digits, . _ and -')

const host = z.string().min(1).max(253).default('127.0.0.1')
const port = z.int().min(0).max(65_535).default(0)

export const clusterConfig = z
  .strictObject({
    nats: z
      .array(natsUrl)
      .max(20)
      .default([])
      .describe('Addresses of the NATS servers, with JetStream, that all nodes use. Empty: this machine belongs to no cluster.'),
    credentials: z
      .string()
      .max(2_000)
      .default('')
      .describe('File with the credentials or the NKey seed of this node for NATS. Empty: the NKey that this machine made when it joined.'),
    nats_ca: z
      .string()
      .max(2_000)
      .default('')
      .describe('File with the authority of the certificates of the NATS servers, in PEM. Empty: the authority of the cluster.'),
    node: z
      .string()
      .regex(/^(?:[a-z0-9][a-z0-9-]{0,39})?$/, 'must have up to 40 lower-case letters, digits and -')
      .default('')
      .describe('Name of this node, different on each. Empty: the host name.'),
    labels: z.array(label).max(50).default([]).describe('What this node offers, such as `gpu` or `browser`.'),
    capacity: z.int().min(1).max(10_000).default(50).describe('Guests that this node runs at most.'),
    idle_min: z
      .number()
      .min(0)
      .max(10_080)
      .default(10)
      .describe(
        'A guest that has had no terminal, channel, turn, call or near schedule for so many minutes ends; whoever wants to reach the user, and what is due, starts it again. 0: never.',
      ),
    spare_guest: z
      .boolean()
      .default(true)
      .describe(
        'One process is ready ahead to become the next guest, which then starts in a quarter of the time. It holds some 150 MB while nobody needs it: `false` where memory matters more.',
      ),
    users: z
      .record(
        z.string().max(200),
        z.strictObject({
          labels: z.array(label).max(50).default([]).describe('The guest runs only on nodes that offer all of these.'),
          tier: z
            .enum(['process', 'container', 'micro_vm'])
            .default('process')
            .describe('The guest runs only on nodes whose `sandbox.tier` is at least this.'),
        }),
      )
      .default({})
      .describe('Where the guests of single users may run, by their names; the same on every node.'),
    hands: z
      .strictObject({
        capacity: z
          .int()
          .min(0)
          .max(1_000)
          .default(0)
          .describe('Branches of files of agents on other nodes that have their hands here at once: commands, builds. 0: none.'),
      })
      .prefault({}),
    replicas: z
      .union([z.literal(1), z.literal(3), z.literal(5)])
      .default(1)
      .describe('Copies of leases and queues in NATS, which `oxbow cluster init` sets: 3 with three servers, so that one may be lost.'),
    door: z
      .strictObject({
        host: host.describe('Address at which this node accepts people and their programs, for every user.'),
        port: port.describe('Its port. 0 lets the system choose.'),
        url: z
          .string()
          .max(2_000)
          .default('')
          .describe('Where people reach it, such as `https://oxbow.example.com`. Empty: host and port of the door.'),
        cert: z
          .string()
          .max(2_000)
          .default('')
          .describe('File of a certificate with its chain, in PEM, which programs of people know: the door speaks HTTPS.'),
        key: z.string().max(2_000).default('').describe('File of the private key of `cert`, in PEM, without a password.'),
        allow_plain: z
          .boolean()
          .default(false)
          .describe('Plain HTTP for other machines, too: keys cross the network in clear. For a network where you trust everybody.'),
      })
      .prefault({}),
    peer: z
      .strictObject({
        host: host.describe('Address at which this node accepts the other nodes, over mutual TLS.'),
        port: port.describe('Its port. 0 lets the system choose.'),
        url: z
          .string()
          .max(2_000)
          .regex(/^(?:https:\/\/[^/]+)?$/, 'must be an https:// address without a path')
          .default('')
          .describe('Where the other nodes reach it, such as `https://node-1:7701`. Empty: host and port.'),
      })
      .prefault({}),
    blobs: blobsConfig,
  })
  .prefault({})
export type ClusterConfig = z.infer<typeof clusterConfig>

/** What an administrator changes of the budgets that users of a cluster share. */
export type SharedBudgetChange =
  /** Null: no limit. */
  | {
      readonly kind: 'set'
      readonly name: string
      readonly span: string
      readonly microDollars: number | null
      readonly tokens: number | null
    }
  | { readonly kind: 'join' | 'leave'; readonly name: string; readonly user: string }
  | { readonly kind: 'remove'; readonly name: string }

export interface SharedBudgetReport {
  readonly budgets: readonly {
    readonly name: string
    readonly span: string
    readonly limit: { readonly microDollars: number | null; readonly tokens: number | null }
    readonly used: { readonly microDollars: number; readonly tokens: number }
    /** By guests, for calls that are to come. */
    readonly held: { readonly microDollars: number; readonly tokens: number }
    readonly members: readonly string[]
  }[]
}
