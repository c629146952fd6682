/** A guest in a container without network makes vectors with a model of a folder of the host, which it may read and not change. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import type { MemoryReport } from '../../src/memory/index.ts'
import { inTime } from '../support/patience.ts'
import { openTerminal, type Terminal } from '../support/terminal.ts'
import { makeWorkspace } from '../support/workspace.ts'

const script = fileURLToPath(new URL('./isolated-runner.ts', import.meta.url))

describe('a guest in a container of its own', { skip: withoutContainers() }, () => {
  before(() => testImage(), { timeout: 120_000 })

  it('makes vectors with a model2vec folder that is not in its workspace, and only reads it', async () => {
    using workspace = makeWorkspace()
    const folder = join(workspace.home, 'embedders', 'tiny')
    plantModel(folder)
    const config = { memory: { embedder: `folder:${folder}` }, sandbox: { isolate_guest: true } }
    const runner = spawn(process.execPath, [script, workspace.home, JSON.stringify(config)], { stdio: ['pipe', 'pipe', 'pipe'] })
    let errors = ''
    runner.stderr.on('data', (bytes: Buffer) => (errors += String(bytes)))
    const gone = new Promise<void>((resolve) => runner.once('exit', () => resolve()))
    try {
      const line = new Promise<string>((resolve) => createInterface({ input: runner.stdout }).once('line', resolve))
      const first = await inTime(Promise.race([line, gone.then(() => assert.fail(errors))]), () => `the runner: ${errors}`)
      using terminal = await openTerminal((JSON.parse(first) as { url: string }).url, workspace)
      await call(terminal, 'memory.save', { content: 'The doctor is in Lisbon.' })
      await call(terminal, 'memory.save', { content: 'The river is cold.' })
      const { models, problem } = await withVectors(terminal, 2)
      assert.deepEqual([models.map(({ model, dims, vectors }) => [model.split(':')[0], dims, vectors]), problem], [[['tiny', 2, 2]], null])
      const found = await call<{ text: string }[]>(terminal, 'memory.search', { query: 'physician' })
      assert.equal(found[0]?.text, 'The doctor is in Lisbon.')
      assert.match(mountOf(runner.pid, folder), /^ro,/)
    } finally {
      runner.stdin.end()
      await inTime(gone, () => `the end of the runner: ${errors}`)
    }
  })
})

/** Doctor and physician are one direction, river is the other. */
function plantModel(folder: string): void {
  mkdirSync(folder, { recursive: true })
  const vocab = { '[UNK]': 0, doctor: 1, physician: 2, river: 3 }
  const tokenizer = {
    model: { type: 'WordPiece', unk_token: '[UNK]', vocab },
    normalizer: { type: 'BertNormalizer' },
    pre_tokenizer: { type: 'BertPreTokenizer' },
  }
  const rows = Buffer.from(Float32Array.of(0, 0, 1, 0, 1, 0, 0, 1).buffer)
  const header = Buffer.from(JSON.stringify({ embeddings: { dtype: 'F32', shape: [4, 2], data_offsets: [0, rows.length] } }))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  writeFileSync(join(folder, 'config.json'), '{"normalize":true}')
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, header, rows]))
}

async function call<Output>(terminal: Terminal, name: string, input: object): Promise<Output> {
  const { result } = await terminal.expect('result', 'call', { name, input })
  const outcome = result as { status: string; output: Output }
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return outcome.output
}

/** The guest tells nobody when vectors are there: it is asked until they are. */
async function withVectors(terminal: Terminal, count: number): Promise<MemoryReport> {
  const until = performance.now() + patienceMs
  for (;;) {
    const report = await call<MemoryReport>(terminal, 'memory.stats', {})
    const made = report.models.reduce((sum, { vectors }) => sum + vectors, 0)
    if (made >= count || report.problem !== null || performance.now() > until) return report
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

/** @returns how the folder is mounted in the guest's world: the options of its line */
function mountOf(runner: number | undefined, folder: string): string {
  const podman = (...args: readonly string[]): string => execFileSync('podman', args, { encoding: 'utf8' }).trim()
  const guest = podman('ps', '--quiet', '--filter', `label=oxbow.guest=${runner}`, '--filter', 'label=oxbow.profile=guest')
  const pid = podman('inspect', '--format', '{{.State.Pid}}', guest)
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n')
  return lines.find((line) => line.split(' ')[4] === folder)?.split(' ')[5] ?? ''
}

/** Long for a container that starts a thread on a busy machine. */
const patienceMs = 60_000
const pollMs = 50
