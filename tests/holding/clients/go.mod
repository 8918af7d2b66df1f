module telecast/holding

go 1.22
