/** Vectors as they are written: into rows of several, each of which is read, changed and written back once a call. */
import { OxbowError, type UserId } from '../../../types/index.ts'
import type { PassageVector } from '../../memory.ts'
import { blockOf, closeBlock, openBlock } from '../../search/vector-block.ts'
import type { ModelRow } from '../../memory/memory-rows.ts'
import type { MemoryWrites } from './memory-writes.ts'

type State = 'building' | 'active' | 'dropped'

export interface VectorWriter {
  /** @throws OxbowError `bad_input` for a model that is not kept, or a vector of another size */
  put(model: string, vectors: readonly PassageVector[], version: number): void
  /** @throws OxbowError `bad_input` when it is kept with other dimensions */
  model(model: string, dims: number, state: State, version: number): void
  removePassages(passages: readonly number[], version: number): void
}

export function createVectorWriter(writes: MemoryWrites, user: UserId): VectorWriter {
  /** Reads blocks, lets `change` work on the vectors in them, and writes back what it touched. @returns by how many there are more */
  const changeBlocks = (kept: ModelRow, passages: readonly number[], version: number, change: BlockChange): number => {
    let more = 0
    for (const [number, inBlock] of byBlock(passages)) {
      const { model, dims } = kept
      const found = writes.block.get({ user, model, block: number })
      const vectors = found === undefined ? new Map<number, Float32Array>() : openBlock(found, dims)
      const before = vectors.size
      if (!change(vectors, inBlock)) continue
      more += vectors.size - before
      const block = closeBlock(number, vectors, dims)
      if (block === null) writes.dropBlock.run({ user, model, block: number })
      else writes.putBlock.run({ user, model, version, ...block })
    }
    return more
  }
  const models = (): ModelRow[] => writes.models.all({ user })
  return {
    put(model, vectors, version) {
      const kept = models().find((one) => one.model === model)
      if (kept === undefined) throw refusal(`The model ${model} is not kept.`)
      const wrong = vectors.find(({ vector }) => vector.length !== kept.dims)
      if (wrong !== undefined) throw refusal(`A vector of ${model} has ${wrong.vector.length} numbers and not ${kept.dims}.`)
      const given = new Map(vectors.map(({ passage, vector }) => [passage, vector]))
      const there = [...given.keys()].filter((id) => writes.passageIn.get({ user, id }) !== undefined)
      const more = changeBlocks(kept, there, version, (held, passages) => {
        for (const passage of passages) held.set(passage, given.get(passage) as Float32Array)
        return true
      })
      writes.putModel.run({ user, ...kept, vectors: kept.vectors + more })
    },
    model(model, dims, state, version) {
      const kept = models()
      const same = kept.find((one) => one.model === model)
      if (state === 'dropped') {
        writes.dropBlocks.run({ user, model })
        writes.dropModel.run({ user, model })
        return
      }
      if (same !== undefined && same.dims !== dims) throw refusal(`The model ${model} is kept with ${same.dims} numbers and not ${dims}.`)
      // One is active: the last that was said to be.
      if (state === 'active') {
        for (const other of kept) if (other.state === 'active') writes.putModel.run({ user, ...other, state: 'building' })
      }
      writes.putModel.run({ user, model, dims, state, began: same?.began ?? version, vectors: same?.vectors ?? 0 })
    },
    removePassages(passages, version) {
      if (passages.length === 0) return
      for (const kept of models()) {
        const more = changeBlocks(kept, passages, version, (held, gone) => gone.filter((passage) => held.delete(passage)).length > 0)
        if (more !== 0) writes.putModel.run({ user, ...kept, vectors: kept.vectors + more })
      }
    },
  }
}

/** @returns whether anything changed */
type BlockChange = (vectors: Map<number, Float32Array>, passages: readonly number[]) => boolean

function byBlock(passages: readonly number[]): Map<number, number[]> {
  const blocks = new Map<number, number[]>()
  for (const passage of passages) {
    const block = blocks.get(blockOf(passage))
    if (block === undefined) blocks.set(blockOf(passage), [passage])
    else block.push(passage)
  }
  return blocks
}

function refusal(message: string): OxbowError {
  return new OxbowError('bad_input', message, { hint: 'Make the vectors anew: `oxbow memory reindex`. Nothing was written.' })
}
