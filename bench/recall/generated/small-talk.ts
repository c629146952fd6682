/** What people say between the things that are asked later. */

export const openers: readonly string[] = [
  'Hey',
  'Morning',
  'Oh',
  'Well',
  'Anyway',
  'You know',
  'Honestly',
  'Funny thing',
  'By the way',
  'Hm',
  'So',
  'Listen',
]

export const remarks: readonly string[] = [
  'the weather cannot decide what it wants',
  'I should go to bed earlier',
  'the week went by like nothing',
  'my phone battery lasts an hour now',
  'I have been thinking about what you said',
  'we ought to meet more often',
  'there was a street musician who made everybody smile',
  'I could live on soup in this cold',
  'the news makes me want to switch everything off',
  'somebody painted the bench in front of our house',
  'I cleaned the windows and it rained at once',
  'I had the strangest dream about a lighthouse',
  'the supermarket has moved everything again',
  'I saw the first swallows over the roof',
  'it took me an hour to get through town',
  'my sister-in-law talks without breathing',
  'I am trying to drink more water',
  'the heating makes a noise like a kettle',
  'that film everybody talks about is far too long',
  'I learnt a new word and forgot it',
  'the kids upstairs are learning to jump',
  'I would give a lot for a quiet morning',
  'this town needs more trees',
  'I keep buying candles',
  'the sunset was ridiculous tonight',
]

export const closers: readonly string[] = [
  'How about you?',
  'What do you think?',
  'Anyway, tell me about your day.',
  'You would have laughed.',
  'Never mind me.',
  'It is what it is.',
  'I will survive.',
  'Do you know that feeling?',
  '',
]

/** After a fact; `{v}` repeats what was just said, as people do. */
export const echoes: readonly string[] = [
  '{v}! I would not have guessed.',
  '{v}, how lovely.',
  'Wait, {v}? Tell me everything.',
  'I always wanted to hear about {v} from somebody who knows.',
  'Wow. {v}. My cousin said the same once.',
]

export const replies: readonly string[] = [
  'That sounds wonderful, I am so glad for you!',
  'Really? You never said a word.',
  'I am sending you a hug.',
  'No way. How do you feel about it?',
  'You deserve it after the year you had.',
  'Oh dear. Let me know if I can help.',
  'I need to hear the long version over coffee.',
  'Good for you, I could never do that.',
  'And what does everybody else say?',
  'I was just about to ask.',
  'Ha, I knew it!',
]

/** With an identifier `{i}` in it, and what it is of `{w}`. */
export const identified: readonly string[] = [
  '{w}: the number is {i}, write it down somewhere.',
  'If they ask, say {i}. That is {w}.',
  'I just got a message about {w}, reference {i}.',
  'For {w} you need {i}, I keep forgetting it.',
]

export const identifierAsks: readonly string[] = [
  'What is {i} about?',
  'What does {i} belong to?',
  'Do you remember what {i} was?',
  'Somebody asked me for {i}, what is that?',
]

export const matters: readonly string[] = [
  'the parcel from the pharmacy',
  'the flight in autumn',
  'the repair of the boiler',
  'the draft of the lease',
  'the locker at the gym',
  'the bug in the ticket machine',
  'the complaint to the council',
  'the hotel by the station',
  'the warranty of the dishwasher',
  'the list of wedding guests',
  'the meter reading',
  'the seat in the theatre',
  'the blood test',
  'the backup of the photos',
  'the alarm of the cellar',
  'the museum membership',
]

export const speakers: readonly string[] = [
  'Marta',
  'Owen',
  'Leila',
  'Jonas',
  'Yuki',
  'Dario',
  'Hanna',
  'Caleb',
  'Ines',
  'Rafael',
  'Nadia',
  'Piet',
  'Grace',
  'Emre',
  'Sofia',
  'Liam',
  'Vera',
  'Kofi',
  'Anouk',
  'Bela',
]

export const relatives: readonly string[] = [
  'Clara',
  'Stefan',
  'Aisha',
  'Gordon',
  'Mei',
  'Pavel',
  'Rosa',
  'Dylan',
  'Ingrid',
  'Samuel',
  'Tessa',
  'Hugo',
  'Olga',
  'Nico',
  'Farah',
  'Walter',
]

export const relations: readonly string[] = ['sister', 'brother', 'cousin', 'flatmate', 'colleague', 'neighbour', 'aunt', 'best friend']
