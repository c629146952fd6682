/** The one way in which a folder with a model is refused. No path is in it: the person knows which one was configured. */
import { OxbowError } from '../../../types/index.ts'

export function refusedModel(why: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', `The folder of the embedder cannot be used: ${why}.`, {
    hint: 'It must be a model2vec model: config.json, model.safetensors, tokenizer.json. `oxbow embed pull potion-base-8M` fetches one.',
    ...(cause === undefined ? {} : { cause }),
  })
}
