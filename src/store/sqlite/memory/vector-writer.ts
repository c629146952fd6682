/** Vectors as they are written: into rows of several, each of which is read, changed and written back once a call. */
import type { UserId } from '../../../types/index.ts'
import type { MemoryChange, PassageVector } from '../../memory.ts'
import type { ModelRow } from '../../memory/memory-rows.ts'
import { blockOf } from '../../search/vector-block.ts'
import { type BlockChange, changedBlock, modelOf, modelsAfter, putting, removing } from '../../search/vector-rules.ts'
import type { MemoryWrites } from './memory-writes.ts'

export interface VectorWriter {
  /** @throws OxbowError `bad_input` for a model that is not kept, or a vector of another size */
  put(model: string, vectors: readonly PassageVector[], version: number): void
  /** @throws OxbowError `bad_input` when it is kept with other dimensions */
  model(change: MemoryChange & { change: 'model' }, version: number): void
  removePassages(passages: readonly number[], version: number): void
}

export function createVectorWriter(writes: MemoryWrites, user: UserId): VectorWriter {
  /** @returns by how many vectors there are more */
  const changeBlocks = ({ model, dims }: ModelRow, passages: readonly number[], version: number, change: BlockChange): number => {
    let more = 0
    for (const [block, inBlock] of Map.groupBy(passages, blockOf)) {
      const changed = changedBlock(block, writes.block.get({ user, model, block }), dims, (held) => change(held, inBlock))
      if (changed === null) continue
      more += changed.more
      if (changed.row === null) writes.dropBlock.run({ user, model, block })
      else writes.putBlock.run({ user, model, version, ...changed.row })
    }
    return more
  }
  const models = (): ModelRow[] => writes.models.all({ user })
  return {
    put(model, vectors, version) {
      const kept = modelOf(models(), model, vectors)
      const ids = new Set(vectors.map(({ passage }) => passage))
      const there = [...ids].filter((id) => writes.passageIn.get({ user, id }) !== undefined)
      const more = changeBlocks(kept, there, version, putting(vectors))
      writes.putModel.run({ user, ...kept, vectors: kept.vectors + more })
    },
    model(change, version) {
      const { model, state } = change
      if (state === 'dropped') {
        writes.dropBlocks.run({ user, model })
        writes.dropModel.run({ user, model })
      } else {
        for (const row of modelsAfter(models(), change, state, version)) writes.putModel.run({ user, ...row })
      }
    },
    removePassages(passages, version) {
      if (passages.length === 0) return
      for (const kept of models()) {
        const more = changeBlocks(kept, passages, version, removing)
        if (more !== 0) writes.putModel.run({ user, ...kept, vectors: kept.vectors + more })
      }
    },
  }
}
