import assert from 'node:assert/strict'
import { it } from 'node:test'
import { ownSearchPath } from './host-programs.ts'

it('programs are looked for in absolute folders alone, also where the search path is empty or names the current one', () => {
  for (const path of ['', ':', '.', 'bin:', '.:./x::/opt/tools:..']) {
    const folders = ownSearchPath(path).split(':')
    assert.deepEqual(
      folders.filter((folder) => !folder.startsWith('/')),
      [],
      path,
    )
    assert.ok(folders.includes('/usr/bin'))
    assert.equal(folders.includes('/opt/tools'), path.includes('/opt/tools'))
  }
})
