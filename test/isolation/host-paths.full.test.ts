/** What a command finds out about the machine around it, as a model and a person are told it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openHome } from '../support/program.ts'

test('a command that reads the table of mounts tells nobody where the workspace and Oxbow itself are on the host', async () => {
  await using home = await openHome()
  const { exit, out, err } = await home.oxbow(['run', 'run cat /proc/self/mountinfo', '--yes'])
  assert.equal(exit, 0, err)
  // What is looked for is there, under another name.
  assert.match(out, / \/shared \/shared /)
  assert.match(out, / \/opt\/oxbow\/node /)
  for (const path of [home.folder, process.cwd()]) assert.ok(!out.includes(path), out)
})
