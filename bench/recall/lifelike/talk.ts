/** What the two people say around what they tell. */

export const people: readonly string[] = [
  'Caroline',
  'Melvin',
  'Joanna',
  'Nathan',
  'Deborah',
  'Jolene',
  'Audrey',
  'Andrew',
  'Gina',
  'Marcus',
  'Evelyn',
  'Samir',
  'Tim',
  'Calvin',
  'Maria',
  'Johan',
  'Priya',
  'Keith',
  'Lucia',
  'Desmond',
]

export const greetings: readonly string[] = [
  'Hey {O}! Long time no talk. How have you been?',
  'Hi {O}! Good to hear from you. What is new?',
  '{O}, hi! I was just thinking about you. How are things?',
  'Hey! Finally a quiet minute. How is everything going?',
]

export const answers: readonly string[] = [
  'Hey {O}! Busy as ever, but I cannot complain. How about you?',
  'Hi {O}! So much has happened since we last talked.',
  'Good to see you too! Work has been a lot lately, but I am hanging in there.',
  'Hey! All good here, just a bit tired.',
]

export const closings: readonly string[] = [
  'I have to run. Take care, {O}!',
  'Talk to you soon, {O}! It was so nice to catch up.',
  'Bye for now! Keep me posted on everything.',
  'Let us talk again next week. Bye!',
]

export const news: readonly string[] = [
  '{O}, guess what!',
  'I have some news.',
  'Something great happened:',
  'You will not believe it, but',
  'So,',
  'By the way,',
  'Since we last spoke,',
  'It was a big week for me.',
  'Oh, and',
  '',
]

export const reactions: readonly string[] = [
  'Wow, {O}, that is awesome!',
  'That sounds amazing, {O}!',
  'Congrats, {O}! You must be so happy.',
  'No way! That is so cool.',
  'Nice, {O}! I am really proud of you.',
  'Oh, that is great to hear!',
  'Sounds like a special moment.',
  'Good for you, {O}!',
  'I love that for you.',
  'That must have been quite something!',
  'Really? I had no idea!',
  'Ha, that is so you, {O}.',
]

export const feelings: readonly string[] = [
  'It was such a good feeling.',
  'I was nervous, but it went well.',
  'It really helped me to clear my mind.',
  'I am still smiling when I think about it.',
  'It was harder than I expected.',
  'I learned a lot about myself.',
  'The kids loved it too.',
  'I could do it all day long.',
  'I had been dreaming about it for a long time.',
  'My family was there to cheer me on.',
  'I took a picture, I will show you.',
  'I want to keep it up.',
]

export const remarks: readonly string[] = [
  'Life has been pretty hectic lately.',
  'It is important to do something for yourself.',
  'The weather has been lovely these days.',
  'I think that we all need a break sometimes.',
  'Work was stressful, so this was a welcome change.',
  'Spending time with people you love is everything.',
  'I am grateful for friends like you.',
  'You never know what you can do until you try.',
  'The kids keep me busy, as always.',
  'I have been trying to sleep more.',
  'Small things make the biggest difference.',
  'It feels like a new chapter.',
]

/** With the name of what is talked about: as people go on about a matter, its words are in many turns that answer nothing. */
export const musings: readonly string[] = [
  'I can see that {n} means a lot to you, {O}.',
  'I always wanted to know more about {n}. Maybe you can show me some day.',
  'Talking with you about {n} makes me want to start something new myself.',
  'My cousin is crazy about {n} as well, you two should meet.',
  'How do you find the time for {n} with everything going on?',
  'With {n} in your life you never seem to be bored, {O}.',
]

/** The same, by the one whose matter it is. */
export const devotions: readonly string[] = [
  'Thanks, {O}! Honestly, {n} has been a big part of my life.',
  'Thank you! I think about {n} more than I should.',
  'I appreciate it, {O}. When things get rough, {n} keeps me going.',
  'Yeah, {n} is not always easy, but it is worth it.',
]

export const chats: readonly (readonly [string, string])[] = [
  ['Did you watch anything good on TV lately?', 'Not really, I fall asleep after ten minutes.'],
  ['How is your family doing?', 'Everybody is fine, thanks for asking. We had a lazy weekend.'],
  ['Any plans for the weekend?', 'Nothing special, just some rest and maybe a movie.'],
  ['I could not sleep last night, the moon was so bright.', 'Same here, I was up until two.'],
  ['The traffic in town is getting worse.', 'Tell me about it, I was late again this morning.'],
  ['I finally cleaned out my closet.', 'Well done! Mine is a disaster.'],
  ['Do you ever feel like time flies?', 'All the time, {O}. The year is almost over.'],
  ['My phone died again yesterday.', 'You really need a new one, {O}.'],
]

export const companions: readonly string[] = [
  'my sister Clara',
  'my friend Rajesh',
  'my husband',
  'my wife',
  'two colleagues',
  'my old roommate Bea',
  'my son Leo',
  'my neighbour Mrs. Tran',
  'nobody, all alone',
  'my coach Viktor',
]

export const spans: readonly string[] = [
  'two months',
  'half a year',
  'three years',
  'about seven years',
  'ten years',
  'only four weeks',
  'since high school',
  'five years',
]

export const pastTimes: readonly string[] = [
  'last weekend',
  'last week',
  'a few days ago',
  'two weeks ago',
  'last month',
  'recently',
  'this month',
]

/** An answer that says again what was asked. */
export const restatements: readonly string[] = [
  'You mean {m}? {a}',
  'Oh, {m}! {a}',
  '{a} I could go on about {m} for ever.',
  'About {m}: {a}',
]

export const namedLeads: readonly string[] = [
  'Tell me about {m}!',
  'And {m}? I am curious.',
  'I would love to hear {m}.',
  'What about {m}?',
]

export const asides: readonly string[] = [
  'A colleague of mine {e}, can you imagine?',
  'Somebody in our street {e} the other day.',
  'It is a bit like when my cousin {e}.',
  'I read about a man who {e}.',
]
