/** `wasm-run`: a tool from a file, over folders that the person names, with no function of the host. */
import { open } from 'node:fs/promises'
import { readHostFolder, runTool, maxToolCodeBytes, writeHostFolder, type ToolChange } from '../sandbox/index.ts'
import { OxbowError, type ToolQuestion, type ToolReport } from '../types/index.ts'

/** @throws OxbowError for a file or a folder that cannot be used; what the tool itself does wrong is in the report. */
export async function runToolFile(
  { file, mounts, function: wanted, input, limits }: ToolQuestion,
  signal: AbortSignal,
): Promise<ToolReport> {
  const code = await readCode(file)
  const folders = await Promise.all(mounts.map(({ folder, mode }) => readHostFolder(folder, mode)))
  const kind = /\.[cm]?js$/.test(file) ? 'js' : wanted === undefined ? 'wasi' : 'abi'
  const outcome = await runTool({
    kind,
    code,
    input,
    limits,
    signal,
    mounts: folders.map(({ mount }) => mount),
    ...(wanted !== undefined && { function: wanted }),
  })
  const leftOut = folders.flatMap((folder) => folder.leftOut.map((path) => `${folder.mount.guest}/${path}`))
  const { stdout, stderr, ms } = outcome
  if (!outcome.ok) {
    return { kind, stdout, stderr, ms, leftOut, failure: outcome.failure, exitCode: null, output: null, changes: [] }
  }
  for (const folder of folders) await writeHostFolder(folder, outcome.changes)
  const { exitCode, output } = outcome
  return { kind, stdout, stderr, ms, leftOut, failure: null, exitCode, output, changes: outcome.changes.map(describeChange) }
}

async function readCode(path: string): Promise<Uint8Array> {
  const file = await open(path).catch((cause: unknown) => {
    throw new OxbowError('not_found', `${path} cannot be read`, { hint: 'Give a .wasm module, or a .js or .mjs file.', cause })
  })
  try {
    const stat = await file.stat()
    if (stat.isFile() && stat.size <= maxToolCodeBytes) return await file.readFile()
    throw new OxbowError('bad_input', `${path} is no file of at most ${maxToolCodeBytes} bytes`, { hint: 'Give a smaller module.' })
  } finally {
    await file.close()
  }
}

function describeChange(change: ToolChange): ToolReport['changes'][number] {
  return { kind: change.kind, path: change.path, bytes: change.kind === 'written' ? change.bytes.length : 0 }
}
