import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { recordOf } from '../store-contract.ts'
import { assertRejects, storeFolder } from '../store-fixture.ts'
import { lockWorkspace } from './workspace-lock.ts'

const lockModule = fileURLToPath(new URL('./workspace-lock.ts', import.meta.url))

/** A process that holds the lock until it is killed. */
async function startHolder(path: string): Promise<ChildProcess & AsyncDisposable> {
  const program = `import { lockWorkspace } from ${JSON.stringify(lockModule)}; const lock = lockWorkspace(process.argv[1]); console.log('held'); setInterval(() => lock, 1e6)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  const gone = once(child, 'exit')
  return Object.assign(child, {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await gone
    },
  })
}

test('a second guest is refused with the pid that holds the workspace, and reads nothing of it', async () => {
  await using files = storeFolder()
  await using holder = await startHolder(files.path)
  const store = await files.open({ exclusive: true })
  await assertRejects(store.opened(), 'workspace_busy', new RegExp(`Process ${holder.pid} `))
  await assert.rejects(store.opened(), {
    hint: `Stop it with \`oxbow stop\`, or close the terminal that started it (process ${holder.pid}).`,
  })
  await assertRejects(store.append({ records: [recordOf('a', 'intent')] }), 'workspace_busy')
  await assertRejects(store.openIntents(), 'workspace_busy')
  await store.close()
  assert.equal(existsSync(files.path), false)
})

test('the lock of a killed process is free at once, and its pid is not named again', async () => {
  await using files = storeFolder()
  await using holder = await startHolder(files.path)
  await holder[Symbol.asyncDispose]()
  const lock = lockWorkspace(files.path)
  assert.throws(() => lockWorkspace(files.path), { code: 'workspace_busy', message: new RegExp(`Process ${process.pid} `) })
  lock.release()
  lock.release()
  lockWorkspace(files.path).release()
})

test('a holder whose pid is not known, or belongs to a process that is gone, is not named', async () => {
  await using files = storeFolder()
  const lock = lockWorkspace(files.path)
  for (const pid of ['', 'x', '-1', '4194999']) {
    writeFileSync(`${files.path}.pid`, pid)
    assert.throws(() => lockWorkspace(files.path), { code: 'workspace_busy', message: /^Another process/ })
  }
  lock.release()
})

test('a store holds its workspace until it is closed', async () => {
  await using files = storeFolder()
  const first = await files.open({ exclusive: true })
  await first.opened()
  const second = await files.open({ exclusive: true })
  await assertRejects(second.opened(), 'workspace_busy', new RegExp(`Process ${process.pid} `))
  await second.close()
  assert.throws(() => lockWorkspace(files.path), { code: 'workspace_busy' })
  await first.close()
  const third = await files.open({ exclusive: true })
  await third.opened()
  await third.close()
})

test('a folder that cannot be written is a failure with advice, not a busy workspace', () => {
  assert.throws(() => lockWorkspace('/proc/none/oxbow.db'), { code: 'store_failed', message: /lock file/ })
})
