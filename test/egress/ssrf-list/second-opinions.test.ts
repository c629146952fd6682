/** Three kept libraries judge the list too. Every difference is either explained or a fault, in them or in us. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addressCases } from './address-cases.ts'
import { explanations } from './disagreements.ts'
import { nameCases } from './name-cases.ts'
import { opinions } from './opinions.ts'
import type { Library } from './opinions.ts'
import { spellingCases } from './spelling-cases.ts'

// Rules of a configuration are nothing that a library could know.
const cases = [...addressCases, ...spellingCases, ...nameCases].filter(({ setting }) => setting === 'default')
const libraries = Object.keys(opinions) as readonly Library[]

describe('a second opinion', () => {
  for (const library of libraries) {
    it(`of ${library} differs only where it is explained`, async () => {
      let agreed = 0
      const unexplained: string[] = []
      const used = new Set<string>()
      for (const { url, verdict, why } of cases) {
        const theirs = await opinions[library](url)
        if (theirs === 'none') continue
        if (theirs === (verdict === 'allowed' ? 'allowed' : 'refused')) {
          agreed += 1
          continue
        }
        const known = explanations.some((one) => one.library === library && one.theirs === theirs && one.about.includes(why))
        if (known) used.add(`${theirs}: ${why}`)
        else unexplained.push(`${theirs}: ${why}: ${url.slice(0, 80)}`)
      }
      assert.deepEqual(unexplained, [])
      const explained = explanations
        .filter((one) => one.library === library)
        .flatMap(({ about, theirs }) => about.map((why) => `${theirs}: ${why}`))
      assert.deepEqual(
        explained.filter((one) => !used.has(one)),
        [],
        'an explanation of nothing',
      )
      assert.ok(agreed >= 300, `they agree on ${agreed}`)
    })
  }

  it('never allows us what a library refuses, but for the one that is explained', async () => {
    const looser: string[] = []
    for (const { url } of cases.filter(({ verdict }) => verdict === 'allowed'))
      for (const library of libraries) if ((await opinions[library](url)) === 'refused') looser.push(`${library}: ${url}`)
    assert.deepEqual(looser, ['ssrfcheck: https://example.com\\@127.0.0.1/'])
  })
})
