/**
 * The vault holds files that a person lends to agents one by one. An agent may see the names and may ask for a copy. The content
 * passes from hands that see only the vault to hands that see only the workspace, and never through a model, a record or a log:
 * the journal records sizes and a hash. No process ever sees both sides.
 */
import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { z } from 'zod'
import { OxbowError, plural } from '../../base/index.ts'
import { type Call, type CallContext, defineCall, evident, type Hands } from '../../protocol/index.ts'
import { listTimeoutMs, maxListEntries, maxVaultBytes, vaultPieceBytes, vaultTimeoutMs } from '../limits.ts'
import { depthField, listedPath, overwriteField, pathArgument, type SeenFiles, skipField, toWorkspacePath } from '../workspace-arguments.ts'

type ListOutput = z.infer<typeof listOutput>

const listOutput = z.strictObject({
  entries: z.array(z.strictObject({ path: z.string(), kind: z.enum(['file', 'folder', 'link', 'other']), bytes: z.int() })),
  truncated: z.boolean(),
})

export const vaultList = defineCall({
  name: 'vault.list',
  rare: true,
  summary: 'Lists names and sizes of files in the vault; only vault_copy_to reaches their content.',
  input: z.strictObject({
    path: pathArgument.default('/vault').meta(evident('Folder under /vault.')),
    depth: depthField(3),
    skip: skipField,
  }),
  output: listOutput,
  example: { path: '/vault', depth: 3, skip: 0 },
  tier: 'read_only',
  right: 'vault.list',
  effect: 'none',
  audience: ['model', 'terminal'],
  labels: { adds: ['private', 'untrusted'], sink: false },
  timeoutMs: vaultTimeoutMs,
  async run({ path: requestedPath, depth, skip }, context) {
    const path = toVaultPath(requestedPath)
    const hands = await context.sandbox.hands('vault-read')
    const request = { path, depth, glob: '', all: true, skip, maxEntries: maxListEntries }
    const output = await hands.ask('list', request, { signal: context.signal, timeoutMs: listTimeoutMs })
    return { output, text: listText(path, skip, output) }
  },
})

function listText(path: string, skip: number, { entries, truncated }: ListOutput): string {
  if (entries.length === 0) return skip > 0 ? `${path} has no more entries.` : `${path} is empty.`
  const lines = entries.map((entry) => {
    const name = listedPath(entry.path)
    return entry.kind === 'folder'
      ? `${name}/`
      : entry.kind === 'file'
        ? `${name}  ${plural(entry.bytes, 'byte')}`
        : `${name}  (${entry.kind})`
  })
  if (truncated) lines.push(`[Entries ${skip + 1} to ${skip + entries.length}. Continue with skip ${skip + entries.length}.]`)
  return lines.join('\n')
}

export const vaultCopyTo = (seen: SeenFiles): Call =>
  defineCall({
    name: 'vault.copy_to',
    reaches: { kind: 'paths', fields: ['destination_path'] },
    rare: true,
    summary: 'Copies a file of the vault into the workspace without showing it; a person must approve.',
    input: z.strictObject({
      source_path: pathArgument.meta(evident('File under /vault.')),
      destination_path: pathArgument.meta(evident('File to write, under /shared or /tmp. Relative paths start at /shared.')),
      overwrite: overwriteField,
    }),
    output: z.strictObject({
      operation: z.string(),
      source_path: z.string(),
      destination_path: z.string(),
      bytes: z.int(),
      sha256: z.string(),
      created: z.boolean(),
    }),
    example: { source_path: '/vault/letter.pdf', destination_path: '/tmp/letter.pdf', overwrite: false },
    tier: 'privileged',
    does: ['overwrite'],
    right: 'vault.copy',
    files: 'writes',
    effect: 'once',
    audience: ['model', 'terminal'],
    // From its intent on, the conversation may have read it, however the call ends: what it sends outside is judged by that.
    labels: { adds: ['private'], sink: false },
    timeoutMs: vaultTimeoutMs,
    async run({ source_path, destination_path, overwrite }, context) {
      const source = toVaultPath(source_path)
      const destination = toWorkspacePath(destination_path)
      const { was, hash, ...copied } = await copyOut(source, destination, overwrite, context)
      const note = seen.replace(context.caller, destination, was, hash)
        ? ' The replaced file had been changed by someone else since you last read it.'
        : ''
      const replaced = copied.created ? '' : ', replacing the existing file'
      const output = { operation: operationOf(context), source_path: source, destination_path: destination, ...copied }
      return {
        output,
        text: `Copied ${source} to ${destination}${replaced}: ${plural(copied.bytes, 'byte')}, sha256 ${copied.sha256}.${note}`,
      }
    },
  })

/** One id for both steps, recorded with each. */
function operationOf({ id }: CallContext): string {
  return `vault-copy-${id}`
}

/** @throws OxbowError as hands do, and `tool_failed` when the file changes meanwhile; then nothing is written. */
async function copyOut(
  source: string,
  destination: string,
  overwrite: boolean,
  context: CallContext,
): Promise<{ bytes: number; sha256: string; created: boolean; hash: string; was: string }> {
  const operation = operationOf(context)
  const limits = { signal: context.signal, timeoutMs: vaultTimeoutMs }
  const vault = await context.sandbox.hands('vault-read')
  const before = await vault.ask('stat', { path: source }, limits)
  if (before.bytes > maxVaultBytes) {
    throw new OxbowError('limit_reached', `${source} has ${before.bytes} bytes; the limit is ${maxVaultBytes}.`, {
      hint: 'A person can copy it by hand into the `shared` folder of the workspace.',
    })
  }
  const hash = createHash('sha256')
  let piece = await vault.ask('bytes', { path: source, offset: 0, maxBytes: vaultPieceBytes }, limits)
  context.record({ operation, step: 'read', path: source, bytes: piece.totalBytes })
  // Its own process, started only when there is something to write.
  const work = await context.sandbox.hands('work')
  for (let offset = 0; ;) {
    hash.update(piece.content)
    const { content, totalBytes } = piece
    const end = offset + content.length
    const last = end >= totalBytes
    if (totalBytes !== before.bytes || (!last && content.length === 0) || (last && (await isChanged(vault, source, before, limits))))
      throw changed(source)
    const sha256 = last ? hash.digest('hex') : ''
    if (last) context.record({ operation, step: 'write', path: destination, bytes: end, sha256 })
    const {
      created,
      hash: written,
      was,
    } = await work.ask('put', { path: destination, upload: operation, offset, content, last, overwrite }, limits)
    if (last) return { bytes: end, sha256, created, hash: written, was }
    offset = end
    piece = await vault.ask('bytes', { path: source, offset, maxBytes: vaultPieceBytes }, limits)
  }
}

async function isChanged(
  vault: Hands,
  path: string,
  before: { readonly modifiedMs: number; readonly bytes: number },
  limits: { signal: AbortSignal; timeoutMs: number },
): Promise<boolean> {
  const now = await vault.ask('stat', { path }, limits)
  return now.modifiedMs !== before.modifiedMs || now.bytes !== before.bytes
}

function changed(source: string): OxbowError {
  return new OxbowError('tool_failed', `${source} changed while it was being copied; nothing was written.`, { hint: 'Copy it again.' })
}

/** Relative paths start at /vault. @throws OxbowError `path_refused` for a path outside of it */
function toVaultPath(path: string): string {
  const absolute = posix.resolve('/vault', path)
  if (absolute === '/vault' || absolute.startsWith('/vault/')) return absolute
  throw new OxbowError('path_refused', `${path} is not in the vault.`, {
    hint: 'Name a path under /vault; vault_list shows what is there.',
  })
}
