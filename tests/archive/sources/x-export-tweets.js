window.YTD.tweets.part0 = [
  {
    "tweet" : {
      "edit_info" : {"initial" : {"editTweetIds" : ["1593387213315784000"], "editsRemaining" : "5", "isEditEligible" : true}},
      "retweeted" : false,
      "entities" : {"hashtags" : [ ], "urls" : [ ], "media" : [{"id_str" : "1593387210000000001", "media_url_https" : "https://pbs.twimg.com/media/FhxAAAAXEAA1.jpg", "type" : "photo"}]},
      "display_text_range" : [ "0", "52" ],
      "favorite_count" : "2",
      "id_str" : "1593387213315784000",
      "truncated" : false,
      "id" : "1593387213315784000",
      "created_at" : "Fri Nov 18 00:00:01 +0000 2022",
      "full_text" : "Marta &amp; Tom at the Prado in Madrid https://t.co/c3",
      "lang" : "en",
      "extended_entities" : {"media" : [{"id_str" : "1593387210000000001", "media_url_https" : "https://pbs.twimg.com/media/FhxAAAAXEAA1.jpg", "type" : "photo"}, {"id_str" : "1593387210000000002", "media_url_https" : "https://pbs.twimg.com/media/FhxBBBBXEAA2.png", "type" : "photo"}]}
    }
  },
  {
    "tweet" : {"retweeted" : false, "entities" : {"hashtags" : [ ]}, "id_str" : "1593387213315784001", "id" : "1593387213315784001", "created_at" : "Fri Nov 18 00:01:01 +0000 2022", "full_text" : "Back home in Porto", "lang" : "en"}
  }
]
