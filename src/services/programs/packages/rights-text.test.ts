import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePackage } from '../program-package.ts'
import { compareRights } from './rights-text.ts'

async function manifestWith(rights: string, more = '') {
  const toml = `[program]\nname = "tidy"\nversion = "1.0.0"\ndescription = "A test."\n[rights]\n${rights}\n${more}`
  const { program, problems } = await parsePackage({ name: 'tidy', toml, text: 'It tidies.' })
  assert.deepEqual(problems, [])
  return program!.manifest
}

const runs = (input: string): string => `calls = [{ call = "exec.run", input = { ${input} } }]`
const at = (cron: string, zone: string): string => `[[schedule]]\ncron = "${cron}"\ntime_zone = "${zone}"\n`

test('no wider right reads like the narrower one of the version before', async () => {
  for (const [before, after] of [
    [runs('program = ["git or *"]'), runs('program = ["git", "*"]')],
    [runs('args = [["push or pull"]]'), runs('args = [["push"], ["pull"]]')],
    [runs('"program like git, args" = "*"'), runs('program = "git", args = "*"')],
  ] as const) {
    const { added } = compareRights(await manifestWith(before), await manifestWith(after))
    assert.equal(added.length, 1, `${before} ${after}`)
  }
  const [old, now] = [await manifestWith('', at('0 9 * * *', 'UTC')), await manifestWith('', at('0 9 * * * in UTC', ''))]
  assert.equal(compareRights(old, now).added.length, 1)
})
