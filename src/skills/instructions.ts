/**
 * AGENTS.md of a workspace, or CLAUDE.md where a folder has none: the nearest file to what an agent works on counts. Only files that a
 * person trusts get into the system prompt, and only as long as they are as they were.
 */
import { posix } from 'node:path'
import { maxInstructionBytes } from './limits.ts'
import { keptFiles, type Trusted, treeHash } from './trust.ts'

export interface InstructionFile {
  readonly path: string
  readonly text: string
}

/** @returns what is trusted of the file */
export function trustedInstructions(path: string, text: string): Trusted {
  const files = [{ path: posix.basename(path), executable: false, content: Buffer.from(text) }]
  return { kind: 'instructions', hash: treeHash(files), name: '', description: '', allowedTools: null, files: keptFiles(files) }
}

/**
 * @param files trusted and unchanged
 * @param changed paths of trusted files that are no longer as they were
 * @returns the section of the system prompt, outer folders first, so that the nearest file comes last; empty without files
 */
export function instructionSection(files: readonly InstructionFile[], changed: readonly string[]): string {
  let left = maxInstructionBytes
  const parts: string[] = []
  const named: string[] = []
  for (const { path, text } of files.toSorted(outerFirst)) {
    const bytes = Buffer.byteLength(text)
    if (bytes > left) {
      named.push(path)
      continue
    }
    left -= bytes
    parts.push(`${path}, for what is in ${posix.dirname(path)} and below it:\n${text.trim()}`)
  }
  const head =
    parts.length > 1 || named.length > 0
      ? 'Instructions of the person for folders. Where two contradict, the nearest file to what you work on counts.'
      : 'Instructions of the person for a folder.'
  return [
    ...(parts.length + named.length > 0 ? [head, ...parts] : []),
    ...(named.length > 0 ? [`Read these before you work in their folders: ${named.join(', ')}.`] : []),
    ...changed.map(
      (path) => `${path} has changed since the person trusted it, so it does not count. Tell them: oxbow skills trust ${path}`,
    ),
  ].join('\n\n')
}

const depthOf = (path: string): number => path.split('/').length

/** Orders paths by their depth. */
export function outerFirst({ path: a }: { readonly path: string }, { path: b }: { readonly path: string }): number {
  return depthOf(a) - depthOf(b) || (a < b ? -1 : 1)
}
