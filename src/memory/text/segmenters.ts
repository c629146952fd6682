/** Segmenters of ICU: making one takes a millisecond and more, so each is made once. They hold nothing of a text. */
export const graphemes: Intl.Segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })
export const words: Intl.Segmenter = new Intl.Segmenter('und', { granularity: 'word' })
export const sentences: Intl.Segmenter = new Intl.Segmenter('und', { granularity: 'sentence' })
