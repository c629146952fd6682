/** The part of the configuration that is about a cluster: how this machine, a node, reaches the others. */
import { z } from 'zod'

const natsUrl = z
  .string()
  .max(2_000)
  .refine((url) => /^(?:nats|tls):$/.test(URL.parse(url)?.protocol ?? ''), 'must be a nats:// or tls:// URL')

const label = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,39}$/, 'must have up to 40 lower-case letters, digits, . _ and -')

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
      .describe('File with the credentials or the NKey seed of this node for NATS. Empty: none, on a network where you trust everybody.'),
    node: z
      .string()
      .regex(/^(?:[a-z0-9][a-z0-9-]{0,39})?$/, 'must have up to 40 lower-case letters, digits and -')
      .default('')
      .describe('Name of this node, different on each. Empty: the host name.'),
    labels: z.array(label).max(50).default([]).describe('What this node offers, such as `gpu` or `browser`.'),
    capacity: z.int().min(1).max(10_000).default(50).describe('Guests that this node runs at most.'),
    replicas: z
      .union([z.literal(1), z.literal(3), z.literal(5)])
      .default(1)
      .describe('Copies of leases and queues in NATS, which `oxbow cluster init` sets: 3 with three servers, so that one may be lost.'),
    door: z
      .strictObject({
        host: z
          .string()
          .min(1)
          .max(253)
          .default('127.0.0.1')
          .describe('Address at which this node accepts every user’s terminals and programs, and the other nodes.'),
        port: z.int().min(0).max(65_535).default(0).describe('Its port. 0 lets the system choose.'),
        url: z
          .string()
          .max(2_000)
          .default('')
          .describe('Where the other nodes reach it, such as `http://node-1:7700`. Empty: host and port of the door.'),
      })
      .prefault({}),
  })
  .prefault({})
export type ClusterConfig = z.infer<typeof clusterConfig>
