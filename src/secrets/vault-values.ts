/**
 * The values in the vault: a short text file is one value, `vault/NAME`, or a list of variables, `vault/NAME#KEY`. The vault is a folder
 * of the person that no agent can write to, so it is read directly; links in it are not followed. It is read again when anything in it
 * changes.
 */
import { isUtf8 } from 'node:buffer'
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Sandbox } from '../protocol/index.ts'
import { maxVaultEntries, maxVaultLevels, maxVaultValueBytes, vaultCheckMs, vaultReadMs } from './limits.ts'
import { isOrdinary } from './unknown-secrets.ts'

export interface VaultReader {
  /** @returns the values by name when they have changed since the last call, null when they have not */
  changed(): ReadonlyMap<string, string> | null
  /** Reads a vault that this process does not see, once. */
  readonly load?: (() => Promise<ReadonlyMap<string, string>>) | undefined
}

interface Entry {
  readonly path: string
  readonly name: string
  readonly stamp: string
}

/** @param folder empty: no vault */
export function createVaultReader(folder: string, monotonicMs: () => number): VaultReader {
  let stamp = ''
  let checkedAt = -Infinity
  return {
    changed() {
      if (folder === '' || monotonicMs() - checkedAt < vaultCheckMs) return null
      checkedAt = monotonicMs()
      const entries = filesIn(folder, '', maxVaultLevels)
      const now = entries.map((entry) => entry.stamp).join()
      if (now === stamp) return null
      stamp = now
      return new Map(entries.flatMap(({ path, name }) => valuesIn(nameOf(name), readText(path))))
    },
  }
}

function nameOf(file: string): string {
  return `vault/${file.replaceAll(/[^\w./-]/g, '_')}`
}

/** Reads the vault through hands, for an isolated guest. @throws OxbowError as hands do */
export async function vaultThrough(sandbox: Pick<Sandbox, 'hands'>): Promise<ReadonlyMap<string, string>> {
  const hands = await sandbox.hands('vault-read')
  const limits = { signal: new AbortController().signal, timeoutMs: vaultReadMs }
  const request = { path: '/vault', depth: maxVaultLevels, glob: '', all: true, skip: 0, maxEntries: maxVaultEntries }
  const { entries } = await hands.ask('list', request, limits)
  const found = new Map<string, string>()
  for (const { path, kind, bytes } of entries) {
    if (kind !== 'file' || bytes > maxVaultValueBytes) continue
    const { content } = await hands.ask('bytes', { path, offset: 0, maxBytes: maxVaultValueBytes }, limits)
    if (!isUtf8(content) || content.includes(0)) continue
    const file = path.replace(/^\/vault\//, '')
    for (const [name, value] of valuesIn(nameOf(file), Buffer.from(content).toString())) found.set(name, value)
  }
  return found
}

function filesIn(folder: string, prefix: string, levels: number): readonly Entry[] {
  const found: Entry[] = []
  for (const { name } of list(folder)) {
    if (found.length >= maxVaultEntries) break
    const path = join(folder, name)
    const facts = lstatSync(path, { throwIfNoEntry: false })
    if (facts?.isDirectory() === true && levels > 1) found.push(...filesIn(path, `${prefix}${name}/`, levels - 1))
    if (facts?.isFile() !== true || facts.size > maxVaultValueBytes) continue
    found.push({ path, name: prefix + name, stamp: [prefix + name, facts.ino, facts.size, facts.mtimeMs].join(':') })
  }
  return found.slice(0, maxVaultEntries)
}

function list(folder: string): readonly { readonly name: string }[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    // It is gone, or an isolated guest does not see it.
    return []
  }
}

/** @returns empty for what is no text, or cannot be read */
function readText(path: string): string {
  let file: number | null = null
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if (!fstatSync(file).isFile()) return ''
    const bytes = Buffer.alloc(maxVaultValueBytes + 1)
    const length = readSync(file, bytes, 0, bytes.length, 0)
    const text = bytes.subarray(0, length)
    return length > maxVaultValueBytes || !isUtf8(text) || text.includes(0) ? '' : text.toString()
  } catch {
    return ''
  } finally {
    if (file !== null) closeSync(file)
  }
}

const assignment = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.+?)\s*$/

/** @returns names and values of a file of the vault */
export function valuesIn(name: string, text: string): readonly (readonly [name: string, value: string])[] {
  const trimmed = text.trim()
  const lines = trimmed.split(/\r?\n/).filter((line) => !/^\s*(?:#|$)/.test(line))
  const variables = lines.map((line) => assignment.exec(line))
  const isList = lines.length > 0 && variables.every((match) => match !== null)
  const values = variables.flatMap((match) => {
    const [, key = '', value = ''] = match ?? []
    const plain = value.replace(/^(["'])(.*)\1$/, '$2')
    return key === '' || isOrdinary(key, plain) ? [] : [[`${name}#${key}`, plain] as const]
  })
  // A single line such as `dG9rZW4=` may be either.
  return isList && lines.length > 1 ? values : [[name, trimmed] as const, ...(isList ? values : [])]
}
