"""Define which fields make a post, for each source: a table of strings. `paths.py` and `rules.py` say what they mean."""

from __future__ import annotations

from dataclasses import dataclass

LINE = "line"
"""As an id: the file and the line."""


@dataclass(frozen=True)
class Fields:
    """Hold the paths that make a post.

    Attributes:
        preset: name of the preset, or `options` if none was used.
        each: paths of the array of posts in a document, separated by commas; None for none.
        id: path of the identifier, in which the alternative `line` is the file and the line.
        text: path of the text.
        images: path of the keys of the pictures, or None.
        alt: path of their alternative texts, or None; with as many alternatives as `images`, or with one.
        markup: `plain`, `escaped` or `html`.
        skip: conditions under which a record is no post, and the kind that it is then.
        blank: texts that stand for a missing one.
        where: conditions that a record must meet to be annotated; else it is skipped, as `where`.
        lines: how many lines of the file are read, from its beginning; None for all.
    """

    preset: str
    each: str | None
    id: str
    text: str
    images: str | None
    alt: str | None
    markup: str
    skip: tuple[tuple[str, str], ...] = ()
    blank: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    lines: int | None = None

    @property
    def each_paths(self) -> tuple[str, ...]:
        """The alternatives of `each`, for `read_entries`."""
        return tuple(self.each.split(",")) if self.each else ()


@dataclass(frozen=True)
class Preset:
    """Hold a source's paths, as in `Fields`, and what its records are known by.

    Attributes:
        signs: conditions, separated by spaces, which all hold for a record of the source; several forms of record.
        general: True if any other preset that fits is meant rather than this one.
    """

    id: str
    text: str
    signs: tuple[str, ...]
    each: str | None = None
    images: str | None = None
    alt: str | None = None
    markup: str = "plain"
    skip: tuple[tuple[str, str], ...] = ()
    blank: tuple[str, ...] = ()
    general: bool = False

    def fields(self, name: str) -> Fields:
        """Return the paths under the name of the preset."""
        return Fields(name, self.each, self.id, self.text, self.images, self.alt, self.markup, self.skip, self.blank)


PRESETS: dict[str, Preset] = {
    "postner": Preset(id="id", text="text", images="images", signs=("id text",), general=True),
    # v1.1: streams, the stream grabs of the Internet Archive, tweets fetched by id, what snscrape and gallery-dl write
    "x-stream": Preset(
        each="statuses",
        id="id_str,id,tweet_id",
        text="retweetedTweet.rawContent,retweetedTweet.content,rawContent,retweeted_status.extended_tweet.full_text,retweeted_status.full_text,retweeted_status.text,"
        "extended_tweet.full_text,full_text,text,content",
        images="retweeted_status.extended_tweet.extended_entities.media[].media_url_https,"
        "retweeted_status.extended_tweet.entities.media[].media_url_https,"
        "retweeted_status.extended_entities.media[].media_url_https,retweeted_status.entities.media[].media_url_https,"
        "extended_tweet.extended_entities.media[].media_url_https,extended_entities.media[].media_url_https,"
        "extended_tweet.entities.media[].media_url_https,entities.media[].media_url_https,"
        "retweetedTweet.media[].fullUrl,media[].fullUrl,tweet_id'_'num,filename",
        alt="retweeted_status.extended_tweet.extended_entities.media[].ext_alt_text,"
        "retweeted_status.extended_tweet.entities.media[].ext_alt_text,"
        "retweeted_status.extended_entities.media[].ext_alt_text,retweeted_status.entities.media[].ext_alt_text,"
        "extended_tweet.extended_entities.media[].ext_alt_text,extended_entities.media[].ext_alt_text,"
        "extended_tweet.entities.media[].ext_alt_text,entities.media[].ext_alt_text,"
        "retweetedTweet.media[].altText,media[].altText,description,description",
        markup="escaped",
        skip=(
            ("delete", "delete"),
            ("limit", "limit"),
            ("scrub_geo", "scrub_geo"),
            ("status_withheld", "status_withheld"),
            ("user_withheld", "user_withheld"),
            ("disconnect", "disconnect"),
            ("warning", "warning"),
            ("friends", "friends"),
            ("event", "event"),
        ),
        signs=(
            "id_str text",
            "id_str user full_text",
            "id_str extended_tweet",
            "id full_text user",
            "id extended_tweet user",
            "id rawContent",
            "id content renderedContent",
            "tweet_id content extension",
        ),
    ),
    # an account's own export; its pictures are tweets_media/TWEETID-NAME.jpg
    "x-export": Preset(
        id="tweet.id_str,tweet.id,id_str,id",
        text="tweet.full_text,tweet.text,full_text,text",
        images="tweet.id_str'-'tweet.extended_entities.media[].media_url_https,tweet.id_str'-'tweet.entities.media[].media_url_https,"
        "id_str'-'extended_entities.media[].media_url_https,id_str'-'entities.media[].media_url_https",
        markup="escaped",
        signs=("tweet.full_text", "tweet.id_str tweet.text", "tweet.id tweet.text", "id_str full_text !user !retweeted_status"),
    ),
    "x-v2": Preset(
        each="data",
        id="data.id,id",
        text="includes.tweets[id=data.referenced_tweets[type='retweeted'].id].note_tweet.text,"
        "includes.tweets[id=data.referenced_tweets[type='retweeted'].id].text,"
        "^includes.tweets[id=referenced_tweets[type='retweeted'].id].note_tweet.text,"
        "^includes.tweets[id=referenced_tweets[type='retweeted'].id].text,"
        "referenced_tweets[type='retweeted'].note_tweet.text,referenced_tweets[type='retweeted'].text,"
        "data.note_tweet.text,note_tweet.text,data.text,text",
        images="includes.media[media_key=data.attachments.media_keys].url,"
        "includes.media[media_key=includes.tweets[id=data.referenced_tweets[type='retweeted'].id].attachments.media_keys].url,"
        "^includes.media[media_key=attachments.media_keys].url,"
        "^includes.media[media_key=^includes.tweets[id=referenced_tweets[type='retweeted'].id].attachments.media_keys].url,"
        "attachments.media[].url,referenced_tweets[type='retweeted'].attachments.media[].url",
        alt="includes.media[media_key=data.attachments.media_keys].alt_text,"
        "includes.media[media_key=includes.tweets[id=data.referenced_tweets[type='retweeted'].id].attachments.media_keys].alt_text,"
        "^includes.media[media_key=attachments.media_keys].alt_text,"
        "^includes.media[media_key=^includes.tweets[id=referenced_tweets[type='retweeted'].id].attachments.media_keys].alt_text,"
        "attachments.media[].alt_text,referenced_tweets[type='retweeted'].attachments.media[].alt_text",
        markup="escaped",
        skip=(("meta.result_count=0", "empty page"),),
        signs=(
            "data.id data.text",
            "id text ^includes",
            "id text ^meta.result_count",
            "id text edit_history_tweet_ids",
            "id text author_id !id_str",
            "id text conversation_id !id_str",
            "id text referenced_tweets",
            "id text attachments.media_keys",
            "id text note_tweet",
        ),
    ),
    # dumps of comments and submissions, and listings of the API
    "reddit": Preset(
        each="data.children",
        id="id,data.id",
        text="body,title+selftext,data.body,data.title+data.selftext",
        images="gallery_data.items[].media_id,url['//i.'],data.gallery_data.items[].media_id,data.url['//i.']",
        alt="gallery_data.items[].caption,data.gallery_data.items[].caption",
        markup="escaped",
        skip=(
            ("kind=more", "more"),
            ("body=[deleted]", "deleted"),
            ("body=[removed]", "removed"),
            ("title=[deleted by user]", "deleted"),
            ("data.body=[deleted]", "deleted"),
            ("data.body=[removed]", "removed"),
            ("data.title=[deleted by user]", "deleted"),
        ),
        blank=("[deleted]", "[removed]"),
        signs=("id body", "id title selftext", "id title subreddit", "data.id kind data.body", "data.id kind data.title"),
    ),
    # statuses of the API, and the outbox of an account's export
    "mastodon": Preset(
        each="orderedItems",
        id="object.id,id",
        text="reblog.content,object.content,content",
        images="reblog.media_attachments[].url,media_attachments[].url,object.attachment[].url,attachment[].url",
        alt="reblog.media_attachments[].description,media_attachments[].description,object.attachment[].name,attachment[].name",
        markup="html",
        skip=(("type=Announce", "repost"), ("type=Delete", "delete"), ("type=Like", "like"), ("type=Follow", "follow")),
        signs=(
            "id content account",
            "id content['</p>'] !mid !mblogid !bid",
            "object.id object.content",
            "id type=Note content",
            "reblog.id reblog.content",
        ),
    ),
    # Jetstream, answers of the API, and records as repositories hold them
    "bluesky": Preset(
        each="feed,posts,records",
        id="did+commit.rkey,post.uri,uri",
        text="commit.record.text,post.record.text,record.text,value.text,text",
        images="commit.record.embed.images[].image.ref.$link,commit.record.embed.media.images[].image.ref.$link,"
        "post.record.embed.images[].image.ref.$link,post.record.embed.media.images[].image.ref.$link,"
        "record.embed.images[].image.ref.$link,record.embed.media.images[].image.ref.$link,"
        "value.embed.images[].image.ref.$link,value.embed.media.images[].image.ref.$link,"
        "embed.images[].image.ref.$link,embed.media.images[].image.ref.$link,"
        "post.embed.images[].fullsize,post.embed.media.images[].fullsize,embed.images[].fullsize,embed.media.images[].fullsize",
        alt="commit.record.embed.images[].alt,commit.record.embed.media.images[].alt,"
        "post.record.embed.images[].alt,post.record.embed.media.images[].alt,"
        "record.embed.images[].alt,record.embed.media.images[].alt,"
        "value.embed.images[].alt,value.embed.media.images[].alt,"
        "embed.images[].alt,embed.media.images[].alt,"
        "post.embed.images[].alt,post.embed.media.images[].alt,embed.images[].alt,embed.media.images[].alt",
        skip=(
            ("kind=identity", "identity"),
            ("kind=account", "account"),
            ("commit.operation=delete", "delete"),
            ("commit.collection=app.bsky.feed.like", "like"),
            ("commit.collection=app.bsky.feed.repost", "repost"),
            ("commit.collection=app.bsky.graph.follow", "follow"),
            ("commit.collection!=app.bsky.feed.post", "other record"),
            ("value.$type=app.bsky.feed.like", "like"),
            ("value.$type=app.bsky.feed.repost", "repost"),
            ("value.$type=app.bsky.graph.follow", "follow"),
            ("value.$type!=app.bsky.feed.post", "other record"),
        ),
        signs=("did commit.rkey", "post.uri post.record.text", "uri record.text", "uri value.text", "uri text !id"),
    ),
    # the export of Telegram Desktop, and messages as Telethon writes them
    "telegram": Preset(
        each="messages,chats.list[].messages",
        id="id",
        text="text,message",
        images="photo",
        skip=(("type=service", "service"), ("_=MessageService", "service")),
        signs=("id type=message", "id text_entities", "id date_unixtime", "id _=Message"),
    ),
    "weibo": Preset(
        each="statuses,data.statuses,data.list,data.cards,weibo",
        id="mid,idstr,mblog.mid,mblog.id,微博id,_id,id",
        text="longText.longTextContent,text_raw,content,text,mblog.longText.longTextContent,mblog.text,正文,微博正文",
        images="pics[].large.url,pics[].url,pic_ids,pic_urls[].thumbnail_pic,pic_urls,pics,mblog.pics[].large.url,mblog.pics[].url,"
        "original_pictures['//'],原始图片url['//']",
        markup="html",
        skip=(("card_type!=9", "other card"),),
        signs=(
            "mid text",
            "mid text_raw",
            "mid content",
            "mblogid",
            "idstr text",
            "bid text",
            "text_raw",
            "_id content !id",
            "mblog.id mblog.text",
            "id content original_pictures",
            "id 正文",
            "微博id 微博正文",
        ),
    ),
    # the file beside each picture that img2dataset writes, and its tables
    "img2dataset": Preset(id="key", text="caption", images="key", signs=("key caption url",)),
    # tables, rows of data sets and documents of a search engine: a text, most often without an id
    "hf": Preset(
        each="rows,tweets,items,results,hits.hits",
        id="tweet_id,post_id,status_id,row.id,_source.id_str,_source.id,id,_id,line",
        text="text,row.text,_source.full_text,_source.text,full_text,tweet,content,sentence,caption",
        images="images[].path,image.path,file_name,image_path,images,image,row.image.src,_source.images",
        signs=("text !id", "row.text row_idx", "_source.text", "_source.full_text", "full_text", "tweet", "content", "sentence", "caption"),
        general=True,
    ),
}
"""Presets by name, in the order in which they are tried."""
