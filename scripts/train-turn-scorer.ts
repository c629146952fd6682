/**
 * Makes src/memory/recall/turn-scorer.json, the table by which turns are given memories, from the messages that are for choosing
 * (bench/recall/turns/scorer-examples.ts): `node scripts/train-turn-scorer.ts`, some two minutes. It prints first what tables find for people
 * whose messages they did not see, by several bounds.
 */
import { writeFileSync } from 'node:fs'
import { collectExamples, type ExampleMessage } from '../bench/recall/turns/scorer-examples.ts'
import { likelihood } from '../src/memory/recall/turn-scorer.ts'
import { boostTrees, type BoostOptions, type Example } from './boost-trees.ts'

const target = new URL('../src/memory/recall/turn-scorer.json', import.meta.url)
const options: BoostOptions = { trees: 120, depth: 4, rate: 0.08, leastLeaf: 10, shrink: 5, share: 0.5 }
const folds = 6
const bounds = [0.2, 0.3, 0.4, 0.5]
/** Weight of the messages of older sets, and of varied ones; a message of the notebooks has 1. */
const turnsWeight = 0.5
const variedWeight = 0.4
const isVaried = ({ what }: ExampleMessage): boolean => what === 'misspelled' || what === 'of others'

function examplesOf(messages: readonly ExampleMessage[]): readonly Example[] {
  return messages.flatMap((message) => {
    const weight = (message.set === 'notebooks' ? 1 : turnsWeight) * (isVaried(message) ? variedWeight : 1)
    return message.rows.flatMap((row, i) => {
      const id = message.found[i] ?? ''
      return message.allows.includes(id) ? [] : [{ row, isNeeded: message.needs.includes(id), weight }]
    })
  })
}

function crossValidated(messages: readonly ExampleMessage[]): string {
  const people = [...new Set(messages.map(({ person }) => person))]
  const found = Array.from({ length: folds }, (_, fold) => {
    const isLeftOut = ({ person }: ExampleMessage): boolean => people.indexOf(person) % folds === fold
    const trees = boostTrees(examplesOf(messages.filter((each) => !isLeftOut(each))), options)
    const judged = messages.filter((each) => isLeftOut(each) && each.set === 'notebooks' && !isVaried(each))
    return judged.map((message) => ({ message, likely: message.rows.map((row) => likelihood(trees, row)) }))
  }).flat()
  const line = (bound: number): string => {
    let [given, right, needed, has] = [0, 0, 0, 0]
    for (const { message, likely } of found) {
      const ids = message.found.filter((_, i) => likely[i]! >= bound)
      given += ids.length
      right += ids.filter((id) => message.needs.includes(id) || message.allows.includes(id)).length
      needed += message.needs.length
      has += message.needs.filter((id) => ids.includes(id)).length
    }
    return `from ${bound}: precision ${(right / given).toFixed(3)}, recall ${(has / needed).toFixed(3)}\n`
  }
  return bounds.map(line).join('')
}

const messages = await collectExamples('tune')
process.stdout.write(crossValidated(messages))
const { base, depth, trees } = boostTrees(examplesOf(messages), options)
// A tree a line.
writeFileSync(
  target,
  `{\n  "base": ${base},\n  "depth": ${depth},\n  "trees": [\n${trees.map((tree) => `    ${JSON.stringify(tree)}`).join(',\n')}\n  ]\n}\n`,
)
process.stdout.write(`${trees.length} trees: ${target.pathname}\n`)
