/**
 * What a guest and a node that has hands for it say to each other. A connection begins with a line of JSON. It asks for one thing and is
 * answered with a line, or it becomes the connection to hands, the one that carries connections of programs to the network at home, or the
 * one that holds the place: while bytes come back on that in time, both ends know that the other is there. Each end takes the other for hostile.
 */
import { z } from 'zod'
import { isRepositoryName, isTreePath, sandboxTiers } from '../../protocol/index.ts'
import { failureElsewhere } from '../hands/hands-reply.ts'
import { failedAnswer } from './local-socket.ts'

/** Another one is refused. Raised with each change of what is below. */
export const farProtocol = 2

const version = z.string().regex(/^[0-9a-f]{40,64}$/)

export const farQuestion = z.union([
  z.strictObject({ hold: z.literal(farProtocol) }),
  z.strictObject({ begin: version }),
  z.strictObject({ fill: z.literal('work') }),
  z.strictObject({ make: version }),
  z.strictObject({ changes: z.array(z.string().max(1_000)).max(1_000) }),
  z.strictObject({ hands: z.enum(['work', 'online']) }),
  z.strictObject({ egress: z.literal('online') }),
])
export type FarQuestion = z.infer<typeof farQuestion>

/** Whoever has the branch could otherwise write what no workspace can have. */
const isFarPath = (path: string): boolean => isTreePath(path) && !path.split('/').some(isRepositoryName)

const farChange = z.strictObject({
  path: z.string().min(1).max(4_096).refine(isFarPath),
  state: z.enum(['file', 'gone', 'folder', 'new_folder']),
})

export const farAnswer = z.union([
  z.strictObject({ held: z.literal(farProtocol) }),
  /** `ready`: it has all files of the version. `online`: commands can have the network of the guest. */
  z.strictObject({
    version,
    ready: z.boolean(),
    online: z.boolean(),
    tier: z.enum(sandboxTiers as ['process', 'container', 'micro_vm']),
    provider: z.string().regex(/^\P{C}{0,200}$/u),
  }),
  z.strictObject({ made: version }),
  z.strictObject({ carries: z.literal('online') }),
  z.strictObject({ changes: z.array(farChange).readonly().nullable() }),
  z.strictObject({ failure: failureElsewhere }),
])
export type FarAnswer = z.infer<typeof farAnswer>

/** On the connection that holds the place: asks for itself back. */
export const aliveByte = '.'
/** The guest needs the place no more. */
export const doneByte = 'x'

/** What a guest asks of the node on its own machine. */
export const elsewhereQuestion = z.union([
  /** See `ElsewhereRequest`. A place that the branch had before is given up. */
  z.strictObject({
    want: z.string().min(1).max(100),
    labels: z
      .array(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,39}$/))
      .max(10)
      .readonly(),
  }),
  /** What follows goes to the node that has the place, unread. */
  z.strictObject({ to: z.string().min(1).max(100), epoch: z.int().positive() }),
  z.strictObject({ drop: z.string().min(1).max(100) }),
])
export type ElsewhereQuestion = z.infer<typeof elsewhereQuestion>

export const elsewhereAnswer = z.union([
  z.strictObject({ node: z.string().max(100), epoch: z.int().positive() }),
  z.strictObject({ dropped: z.literal(true) }),
  failedAnswer,
])
export type ElsewhereAnswer = z.infer<typeof elsewhereAnswer>
