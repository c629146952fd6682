/**
 * Memories that one space shares with another: which, by ids, in the runner's own folder. The other space holds a copy of each, with an id of its
 * own. An entry is made before its copy and goes after it, so that a crash leaves no copy that nobody could take away.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { OxbowError, writeWhole } from '../../base/index.ts'
import { asOwner } from '../file-owner.ts'
import { type Home, hostFiles } from '../home.ts'
import { spaceOf } from './space-names.ts'

const shareSchema = z.strictObject({
  /** Spaces. */
  from: z.string(),
  to: z.string(),
  /** Of the memory, and of its copy. */
  id: z.string(),
  copy: z.string(),
  at: z.number(),
})

/** A memory of one space that another one has a copy of. */
export type MemoryShare = Readonly<z.infer<typeof shareSchema>>

type Place = Pick<Home, 'runner'>

const fileOf = ({ runner }: Place, person: string): string => join(runner, 'spaces', 'shares', `${person}.json`)

/** @returns all that a person's spaces share, the oldest first @throws OxbowError `bad_config` for a damaged list */
export function memoryShares(home: Place, person: string): readonly MemoryShare[] {
  const file = fileOf(home, person)
  if (!existsSync(file)) return []
  try {
    return z.array(shareSchema).parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (cause) {
    throw new OxbowError('bad_config', `the list of shared memories ${file} is damaged`, {
      hint: 'Bring it back from a backup of the home. Without it copies in other spaces are found by hand: `oxbow memory search` names the space.',
      cause,
    })
  }
}

/** @returns whether this workspace has copies of memories of other spaces */
export function hasMemoryShares(home: Place, user: string): boolean {
  const { person, space } = spaceOf(user)
  return memoryShares(home, person).some(({ to }) => to === space)
}

/** Of a kind that memories have, and the same each time: sharing again replaces the copy. */
export function sharedAs(from: string, id: string): string {
  const hash = createHash('sha256').update(`${from}\n${id}`).digest('hex')
  const [, section] = /^document:[0-9a-f]+:(\d+)$/.exec(id) ?? []
  return section === undefined
    ? `${id.startsWith('fact-') ? 'fact' : 'note'}-${hash.slice(0, 16)}`
    : `document:${hash.slice(0, 32)}:${section}`
}

/** Durable when it returns. */
export function addMemoryShares(home: Place, person: string, added: readonly MemoryShare[]): void {
  change(home, person, (all) => [...all.filter((one) => !added.some((each) => isSame(one, each))), ...added])
}

/** Durable when it returns. */
export function dropMemoryShares(home: Place, person: string, gone: readonly MemoryShare[]): void {
  change(home, person, (all) => all.filter((one) => !gone.some((each) => isSame(one, each))))
}

const isSame = (a: MemoryShare, b: MemoryShare): boolean => a.to === b.to && a.copy === b.copy

function change(home: Place, person: string, work: (all: readonly MemoryShare[]) => readonly MemoryShare[]): void {
  const file = fileOf(home, person)
  asOwner(file, 'the list of shared memories', () => {
    const after = work(memoryShares(home, person))
    hostFiles(() => writeWhole(file, JSON.stringify(after, null, 2)))
  })
}
