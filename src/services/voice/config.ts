/** `[voice]` of `config.toml`. */
import { configSection, takesEffect } from '../../config/index.ts'

/** In place of a model: programs of the person in the sandbox. */
export const localVoice = 'local'

export const voiceConfig = configSection('voice', (by) => {
  const command = (description: string) => by.array(by.string().min(1).max(1_000)).max(50).default([]).describe(description)
  return by
    .strictObject({
      transcribe: by
        .string()
        .max(200)
        .default('')
        .describe(
          'What hears voice messages: a model of a service, such as `openai/gpt-4o-mini-transcribe`, or `local`. Empty: nothing does.',
        ),
      speak: by
        .string()
        .max(200)
        .default('')
        .describe('What speaks answers: a model of a service, such as `openai/gpt-4o-mini-tts`, or `local`. Empty: nothing does.'),
      voice: by
        .string()
        .regex(/^[\w.+-]{0,100}$/, 'must be the name of a voice')
        .default('')
        .describe('The voice that speaks, by its name. Empty: the usual one.'),
      language: by
        .string()
        .regex(/^(?:[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)?$/, 'must be a language, such as en')
        .default('')
        .describe('Language of voice messages, such as `en`. Empty: whatever is heard.'),
      timeout_s: by.int().min(5).max(600).default(180).describe('Seconds that one request, or one program, may take.'),
      minute_price: by
        .number()
        .min(0)
        .optional()
        .describe('Micro-dollars for a minute that is heard. Unset: as known; where it is not known, a money budget refuses it.'),
      character_price: by.number().min(0).optional().describe('Micro-dollars for a million characters that are spoken. Unset: as known.'),
      local: by
        .strictObject({
          transcribe: command(
            'Program that hears, with its arguments: `{audio}` is a WAV file of 16 kHz with one channel, `{language}` the language. What it prints is the text.',
          ),
          speak: command(
            'Program that speaks, with its arguments: `{text}` is a text file, `{audio}` the WAV file that it writes, `{voice}` the voice. Without `{text}` it reads the text from its input, without `{audio}` it prints the audio.',
          ),
          folder: by
            .string()
            .max(1_000)
            .default('')
            .describe('Folder that the programs see, read-only, as `/opt/server`, such as one with models. Empty: none.'),
        })
        .prefault({}),
    })
    .meta(takesEffect('live'))
})
