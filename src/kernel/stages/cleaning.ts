/** Stage 9, clean: what leaves a call is cut to size, free of host paths, and free of secrets that this guest holds. */
import { maxResultBytes } from '../limits.ts'
import type { Labels } from './policy.ts'

export interface Cleaner {
  /** Host paths become the paths of the sandbox, secrets become handles. */
  scrub(text: string): string
  /** Secrets become handles, and nothing else is changed: for what is kept as it was sent. */
  hideSecrets(text: string): string
  /** As `hideSecrets`, for bytes in any encoding that has ASCII in it. @returns the same bytes when they hold none. */
  hideSecretBytes(bytes: Buffer): Buffer
  /** @returns the text, or its head and tail around a note that names where the whole can be read. */
  fit(text: string, labels: Labels): Promise<string>
}

export interface CleanerDeps {
  readonly workspaceRoot: string
  /** Secret values by the name that stands for them. */
  readonly secrets: ReadonlyMap<string, string>
  /** Keeps the whole text. @returns its hash. */
  readonly keep: (bytes: Uint8Array, labels: Labels) => Promise<string>
}

/** A secret shorter than this would blank out ordinary words. */
const minSecretLength = 8

export function createCleaner({ workspaceRoot, secrets, keep }: CleanerDeps): Cleaner {
  const handles = [...secrets]
    .filter(([, value]) => value.length >= minSecretLength)
    .flatMap(([name, value]) => spellings(value).map((spelled) => [spelled, `[secret:${name}]`] as const))
  const inBytes = handles.map(([value, handle]) => [Buffer.from(value), handle] as const)
  const replacements: (readonly [string, string])[] = [...handles]
  if (workspaceRoot !== '') for (const folder of ['shared', 'tmp', 'vault']) replacements.push([`${workspaceRoot}/${folder}`, `/${folder}`])
  return {
    scrub: (text) => withoutRoot(replaceEach(text, replacements), workspaceRoot),
    hideSecrets: (text) => replaceEach(text, handles),
    hideSecretBytes(bytes) {
      for (const [from, to] of inBytes) {
        if (bytes.includes(from))
          bytes = Buffer.from(
            bytes.toString('latin1').replaceAll(from.toString('latin1'), () => to),
            'latin1',
          )
      }
      return bytes
    },
    async fit(text, labels) {
      // UTF-16 length × 3 bounds the bytes: short texts need no encoding.
      if (text.length * 3 <= maxResultBytes) return text
      const bytes = Buffer.from(text)
      if (bytes.length <= maxResultBytes) return text
      const hash = await keep(bytes, labels)
      return cutMiddle(
        bytes,
        `\n… cut here: ${bytes.length} bytes in all. Read any part with output_read {"id":"${hash}","from_byte":0} …\n`,
      )
    },
  }
}

/** What is left of it: errors of the system and of the launcher name other folders of the workspace. */
function withoutRoot(text: string, root: string): string {
  if (root === '' || !text.includes(root)) return text
  return text.split(root).reduce((before, after) => `${before}${/^[\w.-]/.test(after) ? root : '(workspace)'}${after}`)
}

/** A secret as it is, and as it stands in JSON where that is not the same. */
function spellings(secret: string): readonly string[] {
  return [...new Set([secret, JSON.stringify(secret).slice(1, -1)])]
}

function replaceEach(text: string, replacements: readonly (readonly [from: string, to: string])[]): string {
  for (const [from, to] of replacements) if (text.includes(from)) text = text.replaceAll(from, () => to)
  return text
}

/** Keeps as much of head and tail as fits with the note between; cuts between characters. */
function cutMiddle(bytes: Buffer, note: string): string {
  const half = Math.floor((maxResultBytes - Buffer.byteLength(note)) / 2)
  let headEnd = half
  while (headEnd > 0 && isContinuation(bytes[headEnd])) headEnd--
  let tailStart = bytes.length - half
  while (tailStart < bytes.length && isContinuation(bytes[tailStart])) tailStart++
  return bytes.toString('utf8', 0, headEnd) + note + bytes.toString('utf8', tailStart)
}

/** UTF-8 continuation bytes are 10xxxxxx. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}
