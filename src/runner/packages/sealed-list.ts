/**
 * A list in the home of what a person has approved, such as `plugins.lock`: JSON that people can read, with an Ed25519 signature over its bytes
 * by the key of this runner in a file of the runner's folder. With another byte the list counts for nothing, so that nobody widens it unseen.
 */
import { createPublicKey, sign, verify } from 'node:crypto'
import { join } from 'node:path'
import { isObject, OxbowError, ownValue, parseObject, writeWhole } from '../../base/index.ts'
import { asOwner, readText } from '../file-owner.ts'
import { type Home, hostFiles } from '../home.ts'
import { signingKey } from '../signing-key.ts'

export interface SealedList {
  readonly path: (home: Pick<Home, 'root'>) => string
  /** Name of the file with its signature. */
  readonly seal: string
  /** First line of what is signed: it keeps the signature of another list from being one of this. */
  readonly heading: string
  /** The key of the list in its file, which also says what the items are. */
  readonly key: string
  /** What follows from a list that cannot be used, and how to have it again, for people. */
  readonly effect: string
  readonly hint: string
}

const sealPath = (home: Home, { seal }: SealedList): string => join(home.runner, seal)

const signedBytes = ({ heading }: SealedList, text: string): Buffer => Buffer.from(`${heading}\n${text}`)

const sealOf = (home: Home, list: SealedList, text: string): string =>
  sign(null, signedBytes(list, text), signingKey(home)).toString('base64')

/** @returns the items; none, with the problem, where the file is damaged or not signed by this host */
export function readSealed<Item>(home: Home, list: SealedList): { readonly items: readonly Item[]; readonly problem: string } {
  const path = list.path(home)
  const text = readText(path)
  if (text === null) return { items: [], problem: '' }
  const unusable = (why: string): { items: readonly Item[]; problem: string } => ({
    items: [],
    problem: `${path} cannot be used, so ${list.effect}: ${why}.`,
  })
  const key = createPublicKey(hostFiles(() => signingKey(home)))
  const seals = (readText(sealPath(home, list)) ?? '').split('\n').filter((line) => line !== '')
  if (!seals.some((seal) => verify(null, signedBytes(list, text), key, Buffer.from(seal, 'base64'))))
    return unusable('it is not as Oxbow has written it')
  const parsed: unknown = JSON.parse(text)
  const items = isObject(parsed) ? ownValue(parsed, list.key) : undefined
  return Array.isArray(items) ? { items: items as readonly Item[], problem: '' } : unusable(`it has no list of ${list.key}`)
}

/**
 * @param change throws to change nothing; others wait for it, so it must be quick
 * @returns what `change` returns, which is what is kept then
 * @throws OxbowError `bad_config` for a list that cannot be used, `limit_reached` when another process changes it all the time
 */
export function changeSealed<Item>(home: Home, list: SealedList, change: (items: readonly Item[]) => readonly Item[]): readonly Item[] {
  const path = list.path(home)
  return asOwner(path, `the ${list.key}`, () => {
    const { items, problem } = readSealed<Item>(home, list)
    if (problem !== '') throw damagedList(home, list, problem)
    const next = change(items)
    const text = textOf(list, next)
    hostFiles(() => {
      const seal = sealOf(home, list, text)
      // A crash between the two files leaves a list that one of the seals fits.
      const before = readText(sealPath(home, list)) ?? ''
      writeWhole(sealPath(home, list), `${before.split('\n')[0] ?? ''}\n${seal}\n`)
      writeWhole(path, text)
      writeWhole(sealPath(home, list), `${seal}\n`)
    })
    return next
  })
}

/** Seals a list that a restore has put in place. */
export function sealAnew<Item>(home: Home, list: SealedList, keep: (items: readonly Item[]) => readonly Item[]): void {
  const path = list.path(home)
  asOwner(path, `the ${list.key}`, () => {
    const parsed = parseObject(hostFiles(() => readText(path)) ?? '')
    const items = parsed === null ? undefined : ownValue(parsed, list.key)
    const text = textOf(list, keep((Array.isArray(items) ? items : []) as readonly Item[]))
    hostFiles(() => {
      writeWhole(sealPath(home, list), `${sealOf(home, list, text)}\n`)
      writeWhole(path, text)
    })
  })
}

const textOf = <Item>({ key }: SealedList, items: readonly Item[]): string => `${JSON.stringify({ [key]: items }, null, 2)}\n`

export function damagedList(home: Home, list: SealedList, problem: string): OxbowError {
  return new OxbowError('bad_config', problem, {
    hint: `Restore it from a backup, or remove ${list.path(home)} and ${list.hint}.`,
  })
}
