/**
 * What a person trusts of a workspace: the exact bytes that they have seen, by hash. A change ends the trust, and the difference is what
 * they are shown next time.
 */
import { createHash } from 'node:crypto'
import { type CallId, isObject } from '../base/index.ts'
import type { CallContext, Caller } from '../protocol/index.ts'
import type { SkillFile } from '../config/index.ts'
import { maxKeptTextBytes, maxKeptTotalBytes } from './limits.ts'

type TrustedKind = 'skill' | 'instructions' | 'command'

export interface TrustedFile {
  readonly path: string
  readonly hash: string
  readonly executable: boolean
  /** Null: too large to be kept, or no text. */
  readonly text: string | null
}

/** What a person has trusted: exactly these files. */
export interface Trusted {
  readonly kind: TrustedKind
  readonly hash: string
  /** Of skills and commands. */
  readonly name: string
  readonly description: string
  readonly allowedTools: readonly string[] | null
  readonly files: readonly TrustedFile[]
}

interface Of {
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn'>
  readonly call: CallId
  readonly name: string
}

/** The documents of the kernel. */
export interface KeptDocuments {
  all(category: string): Promise<readonly { readonly name: string; readonly value: unknown }[]>
  change<Value>(
    of: Of,
    category: string,
    name: string,
    next: (current: { readonly value: Value } | null) => Value | null | undefined,
  ): Promise<Value | null>
}

export interface TrustBook {
  /** By path, the newest state; read from the store once. */
  all(): Promise<ReadonlyMap<string, Trusted>>
  /** @param value null: it is not trusted any more @returns what was trusted before */
  set(context: Pick<CallContext, 'caller' | 'id'>, call: string, path: string, value: Trusted | null): Promise<Trusted | null>
}

const category = 'system/trusted'

/** @param onChange called when something is trusted, or no longer */
export function openTrustBook(documents: KeptDocuments, onChange: () => void): TrustBook {
  let known: ReadonlyMap<string, Trusted> | null = null
  const all = async (): Promise<ReadonlyMap<string, Trusted>> => {
    if (known !== null) return known
    const rows = await documents.all(category)
    return (known ??= new Map(rows.flatMap(({ name, value }) => (isTrusted(value) ? [[name, value] as const] : []))))
  }
  return {
    all,
    async set({ caller, id }, call, path, value) {
      let before: Trusted | null = null
      await documents.change<Trusted>({ caller, call: id, name: call }, category, path, (current) => {
        before = current?.value ?? null
        return value
      })
      const next = new Map(await all())
      if (value === null) next.delete(path)
      else next.set(path, value)
      known = next
      onChange()
      return before
    },
  }
}

function isTrusted(value: unknown): value is Trusted {
  return isObject(value) && typeof value['hash'] === 'string' && Array.isArray(value['files'])
}

const sha256 = (content: Uint8Array | string): string => createHash('sha256').update(content).digest('hex')

/** @returns the hash of all files: of their paths, their contents, and which of them are programs */
export function treeHash(files: readonly SkillFile[]): string {
  const lines = files.map(({ path, executable, content }) => [path, executable, sha256(content)] as const)
  return sha256(JSON.stringify(lines.toSorted(([a], [b]) => (a < b ? -1 : 1))))
}

/** @returns the files with the texts that are kept to show a later difference */
export function keptFiles(files: readonly SkillFile[]): readonly TrustedFile[] {
  let left = maxKeptTotalBytes
  return files.map(({ path, executable, content }) => {
    const isKept = content.length <= Math.min(left, maxKeptTextBytes)
    const text = isKept ? textIn(content) : null
    if (text !== null) left -= content.length
    return { path, executable, hash: sha256(content), text }
  })
}

/** @returns null for what is no text */
export function textIn(content: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
    return text.includes('\0') ? null : text
  } catch {
    return null
  }
}

const diffTimeoutMs = 500

/** @returns what has changed since it was trusted, as a unified diff; empty if nothing has */
export async function differenceOf(before: readonly TrustedFile[], after: readonly TrustedFile[]): Promise<string> {
  const { createTwoFilesPatch } = await import('diff')
  const old = new Map(before.map((file) => [file.path, file]))
  const now = new Map(after.map((file) => [file.path, file]))
  const paths = [...new Set([...old.keys(), ...now.keys()])].toSorted()
  return paths
    .flatMap((path) => {
      const [was, is] = [old.get(path), now.get(path)]
      if (was?.hash === is?.hash && was?.executable === is?.executable) return []
      const what = was === undefined ? 'added' : is === undefined ? 'removed' : 'changed'
      const mode =
        is !== undefined && was !== undefined && is.executable !== was.executable
          ? [`${path}: ${is.executable ? 'is a program now' : 'is no program any more'}`]
          : []
      if (was?.hash === is?.hash) return mode
      if (was?.text === null || is?.text === null) return [...mode, `${path}: ${what}; it is not text, or too large to be shown`]
      const patch = createTwoFilesPatch(
        was === undefined ? '/dev/null' : path,
        is === undefined ? '/dev/null' : path,
        was?.text ?? '',
        is?.text ?? '',
        undefined,
        undefined,
        { timeout: diffTimeoutMs },
      )
      return [...mode, patch === undefined ? `${path}: ${what} too much to be compared` : patch.replace(/^=+\n/, '').trimEnd()]
    })
    .join('\n')
}
