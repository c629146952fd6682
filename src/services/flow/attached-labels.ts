/**
 * What a person attaches comes from somewhere, and no client says from where: a file of the workspace that has labels, or that a rule
 * labels, is known by its content, whether a person picked it in a terminal, in a browser or through another program.
 */
import { createHash } from 'node:crypto'
import { isKept, joined, nothing, type Provenance } from '../../kernel/index.ts'
import { type Blobs, hashDigits, type KeptFile, type Sandbox } from '../../protocol/index.ts'
import { type FileLabels } from './file-labels.ts'
import type { CompiledRules } from './flow-rules.ts'
import { filesOfSize, hashesOf, snapshotTimeoutMs } from './workspace-survey.ts'

interface ContentDeps {
  readonly files: FileLabels
  readonly rules: CompiledRules
  readonly sandbox: Sandbox
}

/** @returns labels of files with this content. @throws OxbowError where the workspace cannot be read */
export async function labelsOfContent(
  { files, rules, sandbox }: ContentDeps,
  file: KeptFile,
  blobs: Pick<Blobs, 'read'>,
): Promise<Provenance> {
  const digest = createHash('sha256')
  for (const piece of file.pieces) digest.update((await blobs.read(piece)) ?? '')
  const hash = digest.digest('hex')
  const known = files.withContent(hash.slice(0, hashDigits))
  if (!sandbox.status.files || (files.isEmpty() && !rules.hasPaths)) return known
  const hands = await sandbox.hands('work')
  const options = { signal: new AbortController().signal, timeoutMs: snapshotTimeoutMs }
  const ask = hands.ask.bind(hands)
  const labelled = (await filesOfSize(ask, file.bytes, options)).flatMap((path) => {
    const found = joined(files.at(path), rules.path(path, false))
    return isKept(found.labels) ? [{ path, found }] : []
  })
  const paths = labelled.map(({ path }) => path)
  const hashes = await hashesOf(ask, paths, options)
  return labelled.reduce<Provenance>(
    (all, { path, found }) => (hashes.get(path) === hash ? joined(all, found) : all),
    joined(nothing, known),
  )
}
