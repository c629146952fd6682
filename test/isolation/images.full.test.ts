/** `oxbow image build`, `list` and `remove` as a person types them, with a real engine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import type { KeptImage } from '../../src/config/index.ts'
import { openHome } from '../support/program.ts'

test('a build keeps what was chosen for the last one, the list says what is in each', { skip: withoutContainers() }, async () => {
  await using home = await openHome('')
  const ok = async (...args: readonly string[]): Promise<string> => {
    const { exit, out, err } = await home.oxbow(['image', ...args])
    assert.equal(exit, 0, err)
    return out
  }
  const list = async (): Promise<readonly KeptImage[]> => home.json<KeptImage>('image', 'list')
  assert.deepEqual(await list(), [])
  assert.match(await ok('build', '--with', 'bash'), /With bash\.\n/)
  assert.match(await ok('build'), /already has it\nWith bash, as chosen before; --with none leaves them out\./)
  const [first, ...others] = await list()
  assert.deepEqual([others.length, first?.with, first?.used], [0, ['bash'], true])
  assert.doesNotMatch(await ok('build', '--with', 'none'), /With bash/)
  const [second] = await list()
  assert.deepEqual(second?.with, [])
  assert.notEqual(second?.name, first?.name, 'what is replaced goes')
  assert.match((await home.oxbow(['image', 'remove', 'constructor'])).err, /has no image constructor/)
  await ok('remove', second.name.split(':').at(-1)!)
  assert.deepEqual(await list(), [])
})
