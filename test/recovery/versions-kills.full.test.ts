import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('versions-to-kill.ts', import.meta.url))
const kills = 20

void test('a kill in the middle of a checkpoint leaves every earlier version readable, and the next start goes on from it', async () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-versions-kills-'))
  const folder = join(root, 'versions')
  const git = (...args: string[]): string =>
    execFileSync('git', ['--git-dir', folder, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  try {
    let commits = 0
    for (let kill = 0; kill < kills; kill += 1) {
      const child = spawn(process.execPath, [program, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
      const exited = once(child, 'exit')
      const seen: string[] = []
      child.stdout.setEncoding('utf8').on('data', (text: string) => seen.push(...text.trim().split('\n')))
      await Promise.race([once(child.stdout, 'data'), exited])
      // Anywhere in the checkpoints that follow.
      await sleep(Math.random() * 60)
      child.kill('SIGKILL')
      await exited
      assert.ok(seen.length > 0, 'it starts on what the last kill left')
      git('fsck', '--strict', '--full')
      const log = git('log', '--format=%H').trim().split('\n')
      for (const commit of seen) assert.ok(log.includes(commit), `${commit} was reported and is in the log`)
      assert.ok(log.length > commits, 'nothing was lost')
      commits = log.length
    }
    assert.equal(git('ls-tree', '-r', '--name-only', 'HEAD').trim().split('\n').length, 300)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
